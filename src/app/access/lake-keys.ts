import { isLakeError, LakeError } from "#kernel";
import type { Lake } from "#lake";
import type { KeyRecord, KeyRecords } from "#serving";

const KEYS = "access/keys/";
const REVOKED = "access/revoked-keys/";
const idPattern = /^[0-9a-f]{12}$/;

/**
 * The records of API keys as small objects of the lake: one when a key is made, another when it is revoked, neither ever changed. All
 * servers of the lake read them.
 */
export class LakeKeys implements KeyRecords {
  private readonly store: Lake["store"];

  constructor(store: Lake["store"]) {
    this.store = store;
  }

  private async read<T>(key: string): Promise<T | undefined> {
    try {
      return JSON.parse(Buffer.from(await this.store.get(key)).toString("utf8")) as T;
    } catch (error) {
      if (isLakeError(error) && error.kind === "not-found") return undefined;
      throw error;
    }
  }

  async get(id: string): Promise<KeyRecord | undefined> {
    if (!idPattern.test(id)) return undefined;
    const [record, revoked] = await Promise.all([
      this.read<KeyRecord>(`${KEYS}${id}.json`),
      this.read<{ readonly revokedAt: string }>(`${REVOKED}${id}.json`),
    ]);
    if (record === undefined || revoked === undefined) return record;
    return { ...record, revokedAt: revoked.revokedAt };
  }

  /** All records, the oldest first. */
  async list(): Promise<KeyRecord[]> {
    const found: KeyRecord[] = [];
    for await (const { key } of this.store.list(KEYS)) {
      const record = await this.get(key.slice(KEYS.length, -".json".length));
      if (record !== undefined) found.push(record);
    }
    return found.sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
  }

  async add(record: KeyRecord): Promise<void> {
    const done = await this.store.putIfAbsent(
      `${KEYS}${record.id}.json`,
      Buffer.from(JSON.stringify(record)),
    );
    if (done === "created") return;
    throw new LakeError("conflict", "access/key-taken", "A key of that id exists; make another.");
  }

  /** Ends a key for good. Servers that used it lately notice within five seconds. Fails with `access/unknown-key`. */
  async revoke(id: string, at: Date): Promise<KeyRecord> {
    const record = await this.get(id);
    if (record === undefined) {
      throw new LakeError(
        "not-found",
        "access/unknown-key",
        `There is no key '${id.slice(0, 64)}'; fhir-lake keys list shows all.`,
      );
    }
    const revokedAt = record.revokedAt ?? at.toISOString();
    await this.store.putIfAbsent(`${REVOKED}${id}.json`, Buffer.from(JSON.stringify({ revokedAt })));
    return { ...record, revokedAt };
  }
}
