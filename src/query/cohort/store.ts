import { createHash } from "node:crypto";
import { type Clock, didYouMean, LakeError } from "#kernel";
import type { Lake } from "#lake";
import { isCohortId } from "./parse.js";

/** Where definitions are kept: an object store, of which this is all that is needed. */
export type DefinitionStore = Pick<Lake["store"], "putIfAbsent" | "get" | "list">;

/** One version of a stored cohort. Versions are never changed. */
export interface StoredCohort {
  readonly id: string;
  /** From 1. */
  readonly version: number;
  /** ISO instant. */
  readonly createdAt: string;
  /** The JSON as it was given; null for a version that says that the cohort was removed. */
  readonly definition: unknown;
}

/** A dataset that was asked for: an immutable recipe, named by its content. */
export interface StoredDataset {
  readonly id: string;
  readonly cohort: string;
  readonly version: number;
  readonly request: unknown;
}

const ROOT = "cohorts/";
const digits = (version: number): string => String(version).padStart(6, "0");

function checkId(id: string): string {
  if (isCohortId(id)) return id;
  throw new LakeError(
    "invalid-input",
    "cohort/bad-id",
    "A cohort's id is 1 to 64 letters, digits, '.', '_' or '-', and begins with a letter or digit.",
  );
}

/**
 * Versions of cohort definitions and recipes of datasets as immutable objects of the lake: `cohorts/<id>/v000001.json`,
 * `cohorts/<id>/datasets/<hash>.json`.
 */
export class CohortStore {
  private readonly store: DefinitionStore;
  private readonly clock: Clock;

  constructor(store: DefinitionStore, clock: Clock) {
    this.store = store;
    this.clock = clock;
  }

  private async read<T>(key: string): Promise<T> {
    return JSON.parse(Buffer.from(await this.store.get(key)).toString("utf8")) as T;
  }

  /** The numbers of a cohort's versions, ascending; none when there is no such cohort. */
  private async versionsOf(id: string): Promise<number[]> {
    const prefix = `${ROOT}${checkId(id)}/v`;
    const found: number[] = [];
    for await (const { key } of this.store.list(prefix)) found.push(Number(key.slice(prefix.length, -5)));
    return found.sort((a, b) => a - b);
  }

  private async newest(id: string): Promise<StoredCohort | undefined> {
    const version = (await this.versionsOf(id)).at(-1);
    return version === undefined
      ? undefined
      : await this.read<StoredCohort>(`${ROOT}${id}/v${digits(version)}.json`);
  }

  /** The newest version of every cohort that was not removed, by id. */
  async list(): Promise<StoredCohort[]> {
    const ids = new Set<string>();
    for await (const { key } of this.store.list(ROOT)) ids.add(key.slice(ROOT.length).split("/")[0]!);
    const all = await Promise.all([...ids].sort().map((id) => this.newest(id)));
    return all.filter((one): one is StoredCohort => one !== undefined && one.definition !== null);
  }

  /** A version of a cohort, the newest when none is named. Fails with `cohort/not-found`, `cohort/no-such-version`. */
  async get(id: string, version?: number): Promise<StoredCohort> {
    const versions = await this.versionsOf(id);
    const last = versions.at(-1);
    const found = version ?? last;
    if (found === undefined || last === undefined) throw await this.notFound(id);
    if (!versions.includes(found)) {
      throw new LakeError(
        "not-found",
        "cohort/no-such-version",
        `Cohort '${id}' has no version ${found}; the newest is ${last}.`,
      );
    }
    const stored = await this.read<StoredCohort>(`${ROOT}${id}/v${digits(found)}.json`);
    if (stored.definition === null) throw await this.notFound(id);
    return stored;
  }

  private async notFound(id: string): Promise<LakeError> {
    const ids = (await this.list()).map((one) => one.id);
    return new LakeError(
      "not-found",
      "cohort/not-found",
      `There is no cohort '${id}'.${didYouMean(id, ids)} GET /cohorts lists all.`,
    );
  }

  /** All versions of a cohort, oldest first. Fails with `cohort/not-found`. */
  async versions(id: string): Promise<StoredCohort[]> {
    const versions = await this.versionsOf(id);
    if (versions.length === 0) throw await this.notFound(id);
    return await Promise.all(
      versions.map((version) => this.read<StoredCohort>(`${ROOT}${id}/v${digits(version)}.json`)),
    );
  }

  private async add(id: string, definition: unknown, expected: number | undefined): Promise<StoredCohort> {
    const newest = await this.newest(id);
    const version = (newest?.version ?? 0) + 1;
    if (expected !== undefined && expected !== version - 1) throw this.conflict(id, version - 1);
    if (newest !== undefined && JSON.stringify(newest.definition) === JSON.stringify(definition))
      return newest;
    const made: StoredCohort = { id, version, createdAt: this.clock.now().toISOString(), definition };
    const bytes = Buffer.from(`${JSON.stringify(made)}\n`);
    if ((await this.store.putIfAbsent(`${ROOT}${id}/v${digits(version)}.json`, bytes)) === "exists") {
      throw this.conflict(id, version);
    }
    return made;
  }

  private conflict(id: string, version: number): LakeError {
    return new LakeError(
      "conflict",
      "cohort/version-conflict",
      `Cohort '${id}' is at version ${version} by now; read it again and repeat the change.`,
      { details: { version } },
    );
  }

  /**
   * Stores a new version, unless the definition is that of the newest one already. With `expected` (0 for a new cohort) fails with
   * `cohort/version-conflict` when the newest is another.
   */
  async put(id: string, definition: unknown, expected?: number): Promise<StoredCohort> {
    return await this.add(checkId(id), definition, expected);
  }

  /** Stores a version that says that the cohort is removed; older versions stay for datasets made from them. */
  async remove(id: string): Promise<void> {
    await this.get(id);
    await this.add(id, null, undefined);
  }

  /** Keeps the recipe of a dataset. Equal recipes get equal ids. */
  async putDataset(cohort: string, version: number, request: unknown): Promise<StoredDataset> {
    const content = JSON.stringify({ cohort, version, request });
    const id = createHash("sha256").update(content).digest("hex").slice(0, 20);
    const made: StoredDataset = { id, cohort, version, request };
    await this.store.putIfAbsent(
      `${ROOT}${checkId(cohort)}/datasets/${id}.json`,
      Buffer.from(`${JSON.stringify(made)}\n`),
    );
    return made;
  }

  /** A dataset's recipe. Fails with `cohort/no-such-dataset`. */
  async getDataset(cohort: string, id: string): Promise<StoredDataset> {
    const key = `${ROOT}${checkId(cohort)}/datasets/${id}.json`;
    if (/^[0-9a-f]{20}$/.test(id)) {
      for await (const entry of this.store.list(key)) {
        if (entry.key === key) return await this.read<StoredDataset>(key);
      }
    }
    throw new LakeError(
      "not-found",
      "cohort/no-such-dataset",
      `Cohort '${cohort}' has no such dataset; POST /cohorts/${cohort}/dataset makes one.`,
    );
  }
}
