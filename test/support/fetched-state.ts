import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { loadDefinitions } from "#fhir";
import { type FetchedBatch, landNdjson } from "#ingestion";
import { type OrderPolicy, readLandingFile } from "#landing";
import type { ResourceStore } from "./fhir-server/index.js";

/** What a lake would hold: the text of each live resource by `Type/id`. */
export type LiveState = ReadonlyMap<string, string>;

/** Folds batches as a lake does, by order key over everything that was ever landed. */
export class FetchedState {
  private readonly policy: OrderPolicy;
  private readonly newest = new Map<string, { order: string; text: string | undefined }>();
  private sequence = 0;
  /** Refused pieces so far. */
  quarantined = 0;
  /** Records landed so far, deletes included. */
  accepted = 0;

  constructor(policy: OrderPolicy = "time") {
    this.policy = policy;
  }

  async land(batch: Pick<FetchedBatch, "files" | "transactionTime">): Promise<void> {
    if (batch.files.length === 0) return;
    const dir = mkdtempSync(path.join(tmpdir(), "fetched-"));
    const landingDir = path.join(dir, "landing");
    mkdirSync(landingDir);
    try {
      const manifest = await landNdjson({
        inputs: batch.files.map((file) => ({
          path: file.path,
          bundles: file.kind === "changes" ? "unpack" : "store",
        })),
        source: "",
        policy: this.policy,
        landingDir,
        sequence: ++this.sequence,
        acceptedAt: new Date(),
        transactionTime: batch.transactionTime,
        definitions: loadDefinitions("4.0.1"),
      });
      this.quarantined += manifest.counts.quarantined;
      this.accepted += manifest.counts.accepted;
      for (const file of manifest.files) {
        for await (const record of readLandingFile(path.join(landingDir, file.path))) {
          this.fold(
            `${file.type}/${record.id}`,
            record.order,
            record.kind === "D" ? undefined : Buffer.from(record.raw).toString("utf8"),
          );
        }
      }
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }

  private fold(key: string, order: string, text: string | undefined): void {
    const known = this.newest.get(key);
    if (known === undefined || order > known.order) this.newest.set(key, { order, text });
  }

  get live(): LiveState {
    const live = new Map<string, string>();
    for (const [key, { text }] of [...this.newest].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (text !== undefined) live.set(key, text);
    }
    return live;
  }
}

/** What a server holds now. */
export function liveOf(store: ResourceStore, types: readonly string[]): LiveState {
  const live: [string, string][] = [];
  for (const type of types) {
    for (const { id, text } of store.live(type)) live.push([`${type}/${id}`, text!.read().toString("utf8")]);
  }
  return new Map(live.sort(([a], [b]) => (a < b ? -1 : 1)));
}
