import { isLakeError, LakeError } from "#kernel";
import type { ObjectStore } from "#storage";
import { isStorageNotFound } from "./not-found.js";
import { readRemoved } from "./removed.js";
import { decodeSnapshot, encodeSnapshot, type Snapshot, snapshotIdOf, snapshotKey } from "./snapshot.js";

/** How often a head without successor is looked for in the listing, in case snapshots between it and the newest were removed. */
const LOOK_AGAIN_MS = 2000;

/**
 * The linear history of snapshots in a store. Listings only give a place to start; the head is found by asking for the
 * next id until there is none, so a stale listing cannot hide a commit.
 */
export class History {
  private readonly store: ObjectStore;
  private head: Snapshot | undefined;
  private listedAtMs = Number.NEGATIVE_INFINITY;

  constructor(store: ObjectStore) {
    this.store = store;
  }

  /** The newest snapshot, or undefined in an empty lake. */
  async latest(): Promise<Snapshot | undefined> {
    for (;;) {
      const next = this.head === undefined ? await this.leap() : await this.find(this.head.id + 1);
      if (next !== undefined) {
        this.head = next;
        continue;
      }
      // Without a head the listing showed nothing, which may be stale: the first snapshot is asked for itself.
      const leap = this.head === undefined ? await this.find(1) : await this.leap();
      if (leap === undefined) return this.head;
      this.head = leap;
    }
  }

  /** The newest snapshot of the listing when it is newer than the known head: those in between may have been removed. */
  private async leap(): Promise<Snapshot | undefined> {
    const now = performance.now();
    if (this.head !== undefined && now - this.listedAtMs < LOOK_AGAIN_MS) return undefined;
    this.listedAtMs = now;
    const newest = (await this.listed()).at(-1);
    if (newest === undefined || newest <= (this.head?.id ?? 0)) return undefined;
    return this.find(newest);
  }

  /**
   * The snapshot with this id. Fails with `lake/snapshot-gone` when it was removed, naming the oldest that can be read, and with
   * `lake/no-such-snapshot` when there never was one.
   */
  async at(id: number): Promise<Snapshot> {
    const found = await this.find(id);
    if (found !== undefined) return found;
    const ids = await this.ids();
    const [oldest, newest] = [ids[0], ids.at(-1)];
    if (newest !== undefined && Number.isInteger(id) && id > 0 && id < newest) {
      const erased = (await readRemoved(this.store)).reasonOf(id) === "erasure";
      throw new LakeError(
        "not-found",
        "lake/snapshot-gone",
        `Snapshot ${id} ${erased ? "held a person who was erased and can no longer be read" : "is no longer kept"}; the oldest that can be read is ${oldest}.`,
        { details: { id, oldest, newest, reason: erased ? "erasure" : "retention" } },
      );
    }
    const kept = newest === undefined ? "the lake is empty" : `kept are ${oldest} to ${newest}`;
    throw new LakeError("not-found", "lake/no-such-snapshot", `There is no snapshot ${id}; ${kept}.`, {
      details: { id, oldest, newest },
    });
  }

  private async find(id: number): Promise<Snapshot | undefined> {
    const key = snapshotKey(id);
    try {
      return decodeSnapshot(await this.store.get(key), key);
    } catch (error) {
      if (isStorageNotFound(error)) return undefined;
      throw error;
    }
  }

  private async listed(): Promise<number[]> {
    const ids: number[] = [];
    for await (const entry of this.store.list("snapshots/")) {
      const id = snapshotIdOf(entry.key);
      if (id !== undefined) ids.push(id);
    }
    return ids.sort((a, b) => a - b);
  }

  /** Ids of all kept snapshots, ascending; one whose removal has begun is not among them. */
  async ids(): Promise<number[]> {
    const listed = await this.listed();
    const removed = await readRemoved(this.store);
    return listed.filter((id) => removed.reasonOf(id) === undefined);
  }

  /**
   * Makes `snapshot` the next one. False when another writer took that id first, also long ago.
   * After an error the outcome is read back: our own `commitId` in place means it was committed after all.
   */
  async append(snapshot: Snapshot): Promise<boolean> {
    const key = snapshotKey(snapshot.id);
    let outcome: "created" | "exists";
    try {
      outcome = await this.store.putIfAbsent(key, encodeSnapshot(snapshot));
    } catch (error) {
      const standing = await this.find(snapshot.id).catch((cause: unknown) => {
        throw unknownOutcome(snapshot.id, cause);
      });
      // The write may still be on its way: its files must stay. Where another snapshot stands it has come too late.
      if (standing === undefined && isLakeError(error, "storage/outcome-unknown")) {
        throw unknownOutcome(snapshot.id, error);
      }
      if (standing === undefined) throw error;
      outcome = "exists";
    }
    if (outcome === "exists") {
      const standing = await this.find(snapshot.id);
      if (standing?.commitId !== snapshot.commitId) return false;
    }
    if (await this.takenBack(snapshot.id)) return false;
    this.head = snapshot;
    return true;
  }

  /**
   * Gives a number back that was free only because its snapshot was removed: our head was that old. Whatever fails here leaves it open whether
   * the commit stands, so its files must stay.
   */
  private async takenBack(id: number): Promise<boolean> {
    try {
      if ((await readRemoved(this.store)).reasonOf(id) === undefined) return false;
      await this.store.delete(snapshotKey(id));
    } catch (error) {
      throw unknownOutcome(id, error);
    }
    this.listedAtMs = Number.NEGATIVE_INFINITY;
    return true;
  }
}

function unknownOutcome(id: number, cause: unknown): LakeError {
  return new LakeError(
    "unavailable",
    "lake/commit-outcome-unknown",
    `It is not known whether snapshot ${id} was committed, because the lake could not be read back; run the command again, nothing is stored twice.`,
    { cause, retryable: true },
  );
}
