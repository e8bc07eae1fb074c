import { LakeError, mapConcurrently } from "#kernel";
import type { Asker } from "./asker.js";
import { chunks } from "./fhir-reads.js";

/** A row of a view as JSON. */
export type Row = Readonly<Record<string, string | number | boolean | null>>;

/** How a lake is read. */
export interface LakeReadOptions {
  /** The source whose resources are compared. */
  readonly source: string;
  /** Requests of one question at the same time. */
  readonly parallel: number;
  /** Keys of patients in one filter at most; an address has to stay below 16 KiB. */
  readonly patientsPerRead: number;
  /** Whether cohorts may be stored in the lake; without, their questions are answered from views. */
  readonly mayStoreCohorts: boolean;
}

/** Reads views and cohorts of a lake over HTTP. */
export class LakeReads {
  readonly asker: Asker;
  private readonly options: LakeReadOptions;
  /** Ids of the cohorts that were stored, by title. */
  private readonly stored: Set<string>;

  constructor(asker: Asker, options: LakeReadOptions, stored: Set<string> = new Set()) {
    this.asker = asker;
    this.options = options;
    this.stored = stored;
  }

  /** The same lake with an asker of its own counts. */
  with(asker: Asker): LakeReads {
    return new LakeReads(asker, this.options, this.stored);
  }

  /** Whether cohorts may be stored. */
  get mayStoreCohorts(): boolean {
    return this.options.mayStoreCohorts;
  }

  /** The rows of a view of this source that match. Errors: `bench/cut-short` when the server caps its answers. */
  async view(name: string, parameters: readonly (readonly [string, string])[]): Promise<Row[]> {
    const given = new URLSearchParams([
      ...parameters.map(([a, b]): [string, string] => [a, b]),
      ["envelope", "1"],
    ]);
    const answer = (await this.asker.get(`views/${name}.json?${given.toString()}`)) as {
      readonly rows: readonly Row[];
      readonly truncated: boolean;
    };
    if (!answer.truncated) return [...answer.rows];
    throw new LakeError(
      "unsupported",
      "bench/cut-short",
      `The lake cuts its answers of '${name}' short; serve it without a cap on rows to compare.`,
    );
  }

  /** The rows of a view that belong to one of the patients, ids without source: several reads at a time, of many keys each. */
  async ofPatients(
    name: string,
    patients: readonly string[],
    parameters: readonly (readonly [string, string])[],
  ): Promise<Row[]> {
    const { parallel, patientsPerRead } = this.options;
    const found = await mapConcurrently(chunks(patients, patientsPerRead), parallel, (some) =>
      this.view(name, [["patient_key", `in.(${some.map((id) => this.key(id)).join(",")})`], ...parameters]),
    );
    return found.flat();
  }

  /** The key of a patient in all views. */
  key(id: string): string {
    return `${this.options.source}/Patient/${id}`;
  }

  /** The id in a patient's key; undefined for no key, and for one of another source. */
  idOf(key: Row[string] | undefined): string | undefined {
    const prefix = this.key("");
    return typeof key === "string" && key.startsWith(prefix) ? key.slice(prefix.length) : undefined;
  }

  /** Stores a new cohort under an id, once; later calls do nothing. Somebody else's cohort of that id is left alone (`bench/refused`). */
  async store(id: string, definition: object): Promise<void> {
    if (this.stored.has(id)) return;
    const body = { ...definition, sources: [this.options.source] };
    const { status, json } = await this.asker.send("PUT", `cohorts/${id}`, body, {
      "If-None-Match": "*",
    });
    if (status !== 200 && status !== 201) {
      const { detail = "" } = (json ?? {}) as { detail?: string };
      throw new LakeError(
        "unavailable",
        "bench/refused",
        `The lake answered PUT cohorts with ${status}. ${detail}`,
      );
    }
    this.stored.add(id);
  }

  /** How many persons belong to a stored cohort. Errors: `bench/hidden` when the lake does not show so small a number. */
  async cohortSize(id: string): Promise<number> {
    const { count } = (await this.asker.get(`cohorts/${id}/count`)) as { readonly count: number | null };
    if (count !== null) return count;
    throw new LakeError("unavailable", "bench/hidden", "The lake shows no cohort as small as this one.");
  }

  /** Takes away the cohorts that were stored. */
  async removeCohorts(): Promise<void> {
    for (const id of this.stored) await this.asker.send("DELETE", `cohorts/${id}`);
    this.stored.clear();
  }
}
