import { writeFile } from "node:fs/promises";
import path from "node:path";
import { compareIds, type IdComparison, type PresentIds } from "#batch";
import { type FetchedFile, fetchMissing, overCap, reconcileDeletes } from "#ingestion";
import type { SourceStateChange } from "#lake";
import { crashPoint } from "#storage";
import { landFiles } from "../land-files.js";
import type { RunAtWork } from "./context.js";
import { landingInputs } from "./fetch-part.js";
import { requestHash } from "./source.js";

/** A type may always lose so many resources, whatever share that is. */
const ALWAYS_ALLOWED = 1;
/** More resources than this are not fetched one by one. */
const MOST_FETCHED_SINGLY = 10_000;

/** Deletes that were found by comparing what a source has with what the lake has. */
export interface FoundDeletes {
  /**
   * Takes up what the lake has of these types and the list has not. More than the allowed share of a type is held back. `confirm`: each is
   * read first, because the list may have missed it, and what only a list of ids has is fetched; for a list of one moment only what is
   * younger than it is read.
   */
  compare(types: readonly string[], present: PresentIds, confirm: boolean): Promise<void>;
  /** Notes that nothing could be concluded about a type. */
  skip(type: string, why: string): void;
  /** Commits the deletes taken up. `name` is for the file they are written to. */
  commit(
    name: string,
  ): Promise<{ readonly snapshot: number | undefined; readonly deleted: Readonly<Record<string, number>> }>;
  /** True when deletes of some type wait for the user. */
  readonly isHeldBack: boolean;
  readonly warnings: readonly string[];
}

class Found implements FoundDeletes {
  private readonly work: RunAtWork;
  /** FHIR instant: the server's time of the list that was compared. */
  private readonly at: string;
  private readonly files: FetchedFile[] = [];
  readonly warnings: string[] = [];
  isHeldBack = false;
  private skipped = false;

  constructor(work: RunAtWork, at: string) {
    this.work = work;
    this.at = at;
  }

  async compare(types: readonly string[], present: PresentIds, confirm: boolean): Promise<void> {
    const { lake, source, http, signal, workDir } = this.work;
    const compared = await compareIds(lake, { source: source.name, types, present, outputDir: workDir });
    const held = this.heldBack(compared.types);
    const { file, problems } = await reconcileDeletes({
      vanishedFile: compared.vanishedFile,
      types: compared.types.filter(({ type }) => !held.has(type)),
      policy: source.config.order,
      listedAt: this.at,
      http,
      confirm: confirm ? "all" : "younger",
      acceptDeletes: true,
      path: path.join(workDir, `found-deletes-${this.files.length}.ndjson`),
      concurrency: source.config.concurrency,
      signal,
    });
    if (file !== undefined) this.files.push(file);
    this.warnings.push(...problems.map(({ message }) => message));
    if (confirm && present.kind === "id-file") await this.takeUpUnknown(compared);
  }

  /** Fetches what the source lists and the lake lacks: what became visible again without a new version is in no window of changes. */
  private async takeUpUnknown({ types, unknownFile }: IdComparison): Promise<void> {
    const { http, source, signal, workDir } = this.work;
    const unknown = types.reduce((sum, type) => sum + type.unknown, 0);
    if (unknown > MOST_FETCHED_SINGLY) {
      this.warnings.push(
        `${unknown} resources that the source lists are not in the lake; run with --full to fetch them.`,
      );
      return;
    }
    const file = await fetchMissing({
      http,
      idFile: unknownFile,
      path: path.join(workDir, `found-resources-${this.files.length}.ndjson`),
      concurrency: source.config.concurrency,
      signal,
    });
    if (file !== undefined) this.files.push(file);
  }

  /** Types that lost more than may be deleted unasked. */
  private heldBack(types: Parameters<typeof overCap>[0]): ReadonlySet<string> {
    const { cap } = this.work.source.config.deletes;
    const held = this.work.acceptDeletes ? [] : overCap(types, { share: cap, always: ALWAYS_ALLOWED });
    for (const { type, live, vanished } of held) {
      this.isHeldBack = true;
      this.warnings.push(
        `${vanished} of ${live} ${type} are missing at the source, more than the ${Math.round(cap * 100)} % that may be deleted unasked; look at the source, then run again with --accept-deletes.`,
      );
    }
    return new Set(held.map(({ type }) => type));
  }

  skip(type: string, why: string): void {
    this.skipped = true;
    this.warnings.push(`Deletes of ${type} are not known: ${why}.`);
  }

  private state(): SourceStateChange {
    const { source, run, fence } = this.work;
    const verified =
      this.isHeldBack || this.skipped
        ? { deletesVerified: false }
        : { deletesVerified: true, deletesVerifiedAt: this.at };
    return { ...verified, requestHash: requestHash(source), run: run.record.runId, fence };
  }

  /** The files with deletes and resources; without any an empty one, because what was verified is to be committed all the same. */
  private async inputs(name: string): Promise<ReturnType<typeof landingInputs>> {
    if (this.files.length > 0) return landingInputs(this.files);
    const nothing = path.join(this.work.workDir, `${name}-deletes.ndjson`);
    await writeFile(nothing, "");
    return [{ path: nothing, bundles: "store" }];
  }

  async commit(
    name: string,
  ): Promise<{ readonly snapshot: number | undefined; readonly deleted: Readonly<Record<string, number>> }> {
    const { source, views, signal, limits } = this.work;
    const landed = await landFiles(this.work.lake, {
      inputs: await this.inputs(name),
      source: source.name,
      policy: source.config.order,
      transactionTime: this.at,
      views,
      signal,
      limits,
      sourceState: this.state(),
      onStored: (type, done, types) => this.work.onProgress?.("deletes", done, types, type),
    });
    crashPoint("run.deletes.committed");
    const deleted = Object.entries(landed.types).map(([type, counts]) => [type, counts.deleted] as const);
    return { snapshot: landed.snapshot?.id, deleted: Object.fromEntries(deleted) };
  }
}

/** Nothing found yet; `at` is the server's time of the list that will be compared. */
export function foundDeletes(work: RunAtWork, at: string): FoundDeletes {
  return new Found(work, at);
}
