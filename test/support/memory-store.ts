import { LakeError } from "#kernel";

/** The part of an object store that leases and ledgers use, in memory. `step` is awaited before each operation takes effect. */
export class MemoryStore {
  readonly objects = new Map<string, Uint8Array>();
  private readonly step: (what: string) => Promise<void>;

  constructor(step: (what: string) => Promise<void> = () => Promise.resolve()) {
    this.step = step;
  }

  async putIfAbsent(key: string, bytes: Uint8Array): Promise<"created" | "exists"> {
    await this.step(`put ${key}`);
    if (this.objects.has(key)) return "exists";
    this.objects.set(key, Uint8Array.from(bytes));
    return "created";
  }

  async get(key: string): Promise<Uint8Array> {
    await this.step(`get ${key}`);
    const bytes = this.objects.get(key);
    if (bytes === undefined) throw new LakeError("not-found", "storage/not-found", `no ${key}`);
    return bytes;
  }

  async *list(prefix: string): AsyncIterable<{ key: string; sizeBytes: number; modifiedAtMs: number }> {
    await this.step(`list ${prefix}`);
    for (const [key, bytes] of [...this.objects]) {
      if (key.startsWith(prefix)) yield { key, sizeBytes: bytes.length, modifiedAtMs: 0 };
    }
  }

  async delete(key: string): Promise<void> {
    await this.step(`delete ${key}`);
    this.objects.delete(key);
  }
}

/** A clock that stands still until it is moved. */
export class HandClock {
  ms: number;

  constructor(ms = Date.parse("2026-11-21T02:00:00Z")) {
    this.ms = ms;
  }

  now(): Date {
    return new Date(this.ms);
  }
}
