import { hash } from "node:crypto";
import type { PolledChange } from "#ingestion";

/** One version, whatever else is said about it; one that has neither number nor time is told by what it says. */
function tagOf({ kind, id, versionId, lastUpdated, body }: PolledChange): string {
  if (versionId !== undefined || lastUpdated !== undefined)
    return `${id} ${versionId ?? ""} ${lastUpdated ?? ""} ${kind}`;
  return `${id} ${body === undefined ? kind : hash("sha256", body, "base64")}`;
}

/** Versions that looks at a source have taken, so that looks that overlap, or begin again after a failure, take none twice. */
export class SeenVersions {
  /** By type: versions and when they were last shown. */
  private readonly byType = new Map<string, Map<string, number>>();

  private of(type: string): Map<string, number> {
    const seen = this.byType.get(type) ?? new Map<string, number>();
    this.byType.set(type, seen);
    return seen;
  }

  /** Those of them that were not taken before. */
  newOf(changes: readonly PolledChange[]): PolledChange[] {
    return changes.filter((change) => !this.of(change.type).has(tagOf(change)));
  }

  /** Remembers that these are taken. */
  add(changes: readonly PolledChange[], nowMs: number): void {
    for (const change of changes) this.of(change.type).set(tagOf(change), nowMs);
  }

  /** Forgets versions of a type that were not shown since: for a look that came through, as a failed one shows all of its versions again. */
  forget(type: string, beforeMs: number): void {
    const seen = this.of(type);
    for (const [tag, shownMs] of seen) if (shownMs < beforeMs) seen.delete(tag);
  }
}
