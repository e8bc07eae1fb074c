import type { S3Access } from "./client.js";
import { Limiter } from "./limiter.js";
import type { LocalCache } from "./local-cache.js";
import { uploadFile } from "./upload.js";

/** Each upload holds at most two parts in memory. */
const UPLOADS_AT_ONCE = 3;

interface Pending {
  /** Where the bytes are on this machine until the upload is done. */
  readonly file: string;
  readonly abort: AbortController;
  /** Settles with the upload; `failed` says how. */
  done: Promise<void>;
  failure: { readonly error: unknown } | undefined;
}

/** Files that were published and are on their way up. */
export class PendingUploads {
  private readonly access: S3Access;
  private readonly cache: LocalCache;
  private readonly limiter = new Limiter(UPLOADS_AT_ONCE);
  private readonly pending = new Map<string, Pending>();

  constructor(access: S3Access, cache: LocalCache) {
    this.access = access;
    this.cache = cache;
  }

  /** Takes a file over and begins its upload; how that ends is answered by {@link finish}. */
  async begin(localFile: string, key: string): Promise<void> {
    this.start(await this.cache.adopt(localFile, key), key);
  }

  private start(file: string, key: string): Pending {
    const entry: Pending = {
      file,
      abort: new AbortController(),
      failure: undefined,
      done: Promise.resolve(),
    };
    this.pending.set(key, entry);
    entry.done = this.limiter.run(() => this.upload(entry, key));
    return entry;
  }

  private async upload(entry: Pending, key: string): Promise<void> {
    try {
      entry.abort.signal.throwIfAborted();
      await uploadFile(this.access, entry.file, key, entry.abort);
      await this.cache.settle(entry.file, key);
      this.pending.delete(key);
    } catch (error) {
      entry.failure = { error };
    }
  }

  /** The local file of a key that is not up yet. */
  fileOf(key: string): string | undefined {
    return this.pending.get(key)?.file;
  }

  /** Returns when the objects are stored; one whose upload failed before is tried once more. */
  async finish(keys: readonly string[]): Promise<void> {
    const wait = async (key: string): Promise<void> => {
      let entry = this.pending.get(key);
      if (entry?.failure !== undefined) entry = this.start(entry.file, key);
      await entry?.done;
      if (entry?.failure !== undefined) throw entry.failure.error;
    };
    const outcomes = await Promise.allSettled(keys.map(wait));
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  /** Stops an upload that is no longer wanted and returns when nothing of it is under way. */
  async cancel(key: string): Promise<void> {
    const entry = this.pending.get(key);
    if (entry === undefined) return;
    entry.abort.abort();
    await entry.done;
    this.pending.delete(key);
    await this.cache.drop(entry.file);
  }

  /** Stops all uploads. */
  async cancelAll(): Promise<void> {
    await Promise.all([...this.pending.keys()].map((key) => this.cancel(key)));
  }
}
