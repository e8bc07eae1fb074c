import type { Connection } from "#duckdb";
import { type FileOrders, type Lake, newestOrder, ordersOf, type Snapshot } from "#lake";
import { groupByType } from "./group-by-type.js";

const LOOKUP_KEYS = 2000;

/** What the lake itself holds of resources: their greatest order keys, asked for only where a change may be older than its table. */
export class LakeOrders {
  private readonly lake: Lake;
  private readonly fileOrders: FileOrders = new Map();
  private readonly newest = new Map<string, string>();

  constructor(lake: Lake) {
    this.lake = lake;
  }

  /** Reads the greatest order key of every table of a snapshot; files known already are not read again. */
  async read(head: Snapshot): Promise<void> {
    await this.reading(async (connection) => {
      for (const [type, table] of Object.entries(head.tables)) {
        this.newest.set(type, await newestOrder(this.lake, connection, table, this.fileOrders));
      }
    });
  }

  /** Local copies of a remote lake's files are in use only while they are read. */
  private reading<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    return this.lake.reading(() => this.lake.database.with(work));
  }

  /** Forgets the tables, as before the first {@link read}. */
  clear(): void {
    this.newest.clear();
  }

  /** The versions that the lake does not hold a newer one of at a snapshot. */
  async withoutBeaten<T extends { readonly type: string; readonly key: string; readonly order: string }>(
    versions: readonly T[],
    snapshot: Snapshot | undefined,
  ): Promise<T[]> {
    const beaten = new Set<T>();
    for (const [type, group] of groupByType(versions)) {
      const newest = this.newest.get(type) ?? "";
      const late = group.filter((version) => version.order <= newest);
      const orders = await this.of(snapshot, type, [...new Set(late.map((version) => version.key))]);
      for (const version of late) if ((orders.get(version.key) ?? "") >= version.order) beaten.add(version);
    }
    return versions.filter((version) => !beaten.has(version));
  }

  /** The greatest order keys of resources at a snapshot; keys that it does not hold are left out. */
  async of(
    snapshot: Snapshot | undefined,
    type: string,
    keys: readonly string[],
  ): Promise<Map<string, string>> {
    const all = new Map<string, string>();
    for (let at = 0; at < keys.length; at += LOOKUP_KEYS) {
      const part = keys.slice(at, at + LOOKUP_KEYS);
      const orders = await this.reading((connection) =>
        ordersOf(this.lake, connection, snapshot?.tables[type], part),
      );
      for (const [key, order] of orders) all.set(key, order);
    }
    return all;
  }
}
