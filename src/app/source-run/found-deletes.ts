import { open } from "node:fs/promises";
import path from "node:path";
import type { LiveResource, MissingResources, SourceStateChange } from "#lake";
import { crashPoint } from "#storage";
import { landFiles } from "../land-files.js";
import type { RunAtWork } from "./context.js";
import { requestHash } from "./source.js";

/** A delete as a line of a `changes` file. Its version is the one after the lake's, as servers number deletes too. */
function deleteLine(type: string, { id, version }: LiveResource, lastModified: string): string {
  const numeric = version !== null && /^\d{1,18}$/.test(version);
  const etag = numeric ? { etag: `W/"${BigInt(version) + 1n}"` } : {};
  const entry = [
    { request: { method: "DELETE", url: `${type}/${id}` }, response: { lastModified, ...etag } },
  ];
  return JSON.stringify({ resourceType: "Bundle", type: "history", entry });
}

/** Deletes that were found by comparing what a source has with what the lake has. */
export interface FoundDeletes {
  /** Takes up what the lake has and the source has no more. More than the allowed share of a type is held back. */
  add(type: string, missing: MissingResources): void;
  /** Notes that nothing could be concluded about a type. */
  skip(type: string, why: string): void;
  /** Commits the deletes taken up. `name` is for the file they are written to. */
  commit(
    name: string,
  ): Promise<{ readonly snapshot: number | undefined; readonly deleted: Readonly<Record<string, number>> }>;
  /** True when deletes of some type wait for the user. */
  readonly isHeldBack: boolean;
  /** True when the comparison covered every type and nothing was held back. */
  readonly isWhole: boolean;
  readonly warnings: readonly string[];
}

class Found implements FoundDeletes {
  private readonly work: RunAtWork;
  /** FHIR instant: the server's time of the list that was compared. */
  private readonly at: string;
  private readonly byType = new Map<string, readonly LiveResource[]>();
  readonly warnings: string[] = [];
  isHeldBack = false;
  private skipped = false;

  constructor(work: RunAtWork, at: string) {
    this.work = work;
    this.at = at;
  }

  get isWhole(): boolean {
    return !this.isHeldBack && !this.skipped;
  }

  add(type: string, { live, missing }: MissingResources): void {
    const { cap } = this.work.source.config.deletes;
    if (missing.length > Math.max(1, cap * live) && !this.work.acceptDeletes) {
      this.isHeldBack = true;
      this.warnings.push(
        `${missing.length} of ${live} ${type} are missing at the source, more than the ${Math.round(cap * 100)} % that may be deleted unasked; look at the source, then run again with --accept-deletes.`,
      );
      return;
    }
    if (missing.length > 0) this.byType.set(type, missing);
  }

  skip(type: string, why: string): void {
    this.skipped = true;
    this.warnings.push(`Deletes of ${type} are not known: ${why}.`);
  }

  private state(): SourceStateChange {
    const { source, run, fence } = this.work;
    const verified = this.isWhole
      ? { deletesVerified: true, deletesVerifiedAt: this.at }
      : { deletesVerified: false };
    return { ...verified, requestHash: requestHash(source), run: run.record.runId, fence };
  }

  async commit(
    name: string,
  ): Promise<{ readonly snapshot: number | undefined; readonly deleted: Readonly<Record<string, number>> }> {
    const file = path.join(this.work.workDir, `${name}-deletes.ndjson`);
    const handle = await open(file, "w");
    try {
      for (const [type, missing] of this.byType) {
        for (const resource of missing) await handle.write(`${deleteLine(type, resource, this.at)}\n`);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    const { source, views, signal, limits } = this.work;
    const landed = await landFiles(this.work.lake, {
      inputs: [{ path: file, bundles: "unpack" }],
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
