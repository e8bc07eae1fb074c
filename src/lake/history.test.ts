import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { LakeError } from "#kernel";
import { LocalStore } from "#storage";
import { History } from "./history.js";
import { encodeSnapshot, type Snapshot, snapshotKey } from "./snapshot.js";

const unknown = new LakeError("unavailable", "storage/outcome-unknown", "No answer.");
const refused = new LakeError("unavailable", "storage/access-denied", "Access denied.");

function snapshot(commitId: string): Snapshot {
  return {
    formatVersion: 1,
    id: 1,
    commitId,
    parent: null,
    committedAt: "2026-01-01T00:00:00.000Z",
    tool: "test",
    fhirVersion: "4.0.1",
    operation: { kind: "build-views", views: [] },
    acceptedAtMs: 0,
    landings: [],
    sources: {},
    tables: {},
    views: {},
  };
}

/** A store whose write does `before` (somebody's write, or none) and then fails with `error`. */
class FailingStore extends LocalStore {
  before: Uint8Array | undefined = undefined;
  error: Error = unknown;
  unreadable = false;
  failing = true;

  override async putIfAbsent(key: string, bytes: Uint8Array): Promise<"created" | "exists"> {
    if (!this.failing) return super.putIfAbsent(key, bytes);
    if (this.before !== undefined) await super.putIfAbsent(key, this.before);
    throw this.error;
  }

  override async get(key: string): Promise<Uint8Array> {
    if (this.unreadable) throw refused;
    return super.get(key);
  }
}

const failing = (): FailingStore => new FailingStore(mkdtempSync(path.join(tmpdir(), "fhir-lake-history-")));

describe("appending a snapshot when the store's answer is an error", () => {
  it("succeeds when our snapshot stands there after all", async () => {
    const store = failing();
    store.before = encodeSnapshot(snapshot("mine"));
    const history = new History(store);
    expect(await history.append(snapshot("mine"))).toBe(true);
    expect((await history.latest())?.commitId).toBe("mine");
  });

  it("is a lost race when another's stands there", async () => {
    const store = failing();
    store.before = encodeSnapshot(snapshot("theirs"));
    expect(await new History(store).append(snapshot("mine"))).toBe(false);
    expect(Buffer.from(await store.get(snapshotKey(1))).toString()).toContain("theirs");
  });

  it("is not decided when nothing stands there yet but the write may still arrive", async () => {
    await expect(new History(failing()).append(snapshot("mine"))).rejects.toMatchObject({
      code: "lake/commit-outcome-unknown",
      retryable: true,
    });
  });

  it("is not decided when the lake cannot be read back", async () => {
    const store = failing();
    store.unreadable = true;
    await expect(new History(store).append(snapshot("mine"))).rejects.toMatchObject({
      code: "lake/commit-outcome-unknown",
    });
  });

  it("fails as the store does when nothing was written", async () => {
    const store = failing();
    store.error = refused;
    await expect(new History(store).append(snapshot("mine"))).rejects.toBe(refused);
    store.failing = false;
    expect(await new History(store).append(snapshot("mine"))).toBe(true);
  });
});
