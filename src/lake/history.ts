import { LakeError } from "#kernel";
import type { ObjectStore } from "#storage";
import { isStorageNotFound } from "./not-found.js";
import { decodeSnapshot, encodeSnapshot, type Snapshot, snapshotIdOf, snapshotKey } from "./snapshot.js";

/**
 * The linear history of snapshots in a store. Listings only give a place to start; the head is found by asking for the
 * next id until there is none, so a stale listing cannot hide a commit.
 */
export class History {
  private readonly store: ObjectStore;
  private head: Snapshot | undefined;

  constructor(store: ObjectStore) {
    this.store = store;
  }

  /** The newest snapshot, or undefined in an empty lake. */
  async latest(): Promise<Snapshot | undefined> {
    if (this.head === undefined) {
      const newest = (await this.ids()).at(-1);
      if (newest !== undefined) this.head = await this.at(newest);
    }
    for (;;) {
      const next = await this.find((this.head?.id ?? 0) + 1);
      if (next === undefined) return this.head;
      this.head = next;
    }
  }

  /** The snapshot with this id. Fails with `lake/no-such-snapshot`, naming the oldest and newest kept. */
  async at(id: number): Promise<Snapshot> {
    const found = await this.find(id);
    if (found !== undefined) return found;
    const ids = await this.ids();
    const kept = ids.length === 0 ? "the lake is empty" : `kept are ${ids[0]} to ${ids.at(-1)}`;
    throw new LakeError("not-found", "lake/no-such-snapshot", `There is no snapshot ${id}; ${kept}.`, {
      details: { id, oldest: ids[0], newest: ids.at(-1) },
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

  /** Ids of all kept snapshots, ascending. */
  async ids(): Promise<number[]> {
    const ids: number[] = [];
    for await (const entry of this.store.list("snapshots/")) {
      const id = snapshotIdOf(entry.key);
      if (id !== undefined) ids.push(id);
    }
    return ids.sort((a, b) => a - b);
  }

  /**
   * Makes `snapshot` the next one. False when another writer took that id first.
   * After an error the outcome is read back: our own `commitId` in place means it was committed after all.
   */
  async append(snapshot: Snapshot): Promise<boolean> {
    const key = snapshotKey(snapshot.id);
    let outcome: "created" | "exists";
    try {
      outcome = await this.store.putIfAbsent(key, encodeSnapshot(snapshot));
    } catch (error) {
      const standing = await this.find(snapshot.id).catch((cause: unknown) => {
        throw new LakeError(
          "unavailable",
          "lake/commit-outcome-unknown",
          `It is not known whether snapshot ${snapshot.id} was committed, because the lake could not be read back; run the command again, nothing is stored twice.`,
          { cause, retryable: true },
        );
      });
      if (standing?.commitId !== snapshot.commitId) throw error;
      outcome = "created";
    }
    if (outcome === "exists") {
      const standing = await this.find(snapshot.id);
      if (standing?.commitId !== snapshot.commitId) return false;
    }
    this.head = snapshot;
    return true;
  }
}
