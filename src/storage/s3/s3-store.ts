import { createHash } from "node:crypto";
import path from "node:path";
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  paginateListObjectsV2,
} from "@aws-sdk/client-s3";
import { mapConcurrently } from "#kernel";
import { checkKey, checkLabel } from "../key.js";
import type { FileDigest, FileHold, ObjectEntry, ObjectStore } from "../object-store.js";
import { CacheHold } from "./cache-hold.js";
import { type S3Access, s3Access } from "./client.js";
import { putUnlessExists } from "./conditional-put.js";
import { digestObject, downloadFile, readObject } from "./download.js";
import { nameOf, s3Failure } from "./failure.js";
import { Limiter } from "./limiter.js";
import { LocalCache } from "./local-cache.js";
import { PendingUploads } from "./pending-uploads.js";
import { probeConditionalPut } from "./probe.js";
import type { S3Settings } from "./settings.js";
import { unfinishedUploads } from "./unfinished-uploads.js";

const DOWNLOADS_AT_ONCE = 8;
/** S3's own bound for one request. */
const DELETES_PER_REQUEST = 1000;
const DELETES_AT_ONCE = 8;

/** A folder name of its own for each lake, so that lakes can share a cache folder. */
function lakeFolder(settings: S3Settings): string {
  const identity = JSON.stringify([settings.endpoint ?? "", settings.bucket, settings.prefix]);
  const id = createHash("sha256").update(identity).digest("hex").slice(0, 16);
  return path.join(settings.cacheDirectory, `${settings.bucket}-${id}`);
}

/**
 * A lake in an S3 bucket. Small objects are created by conditional writes; files go up while the caller works on, and `makeDurable` waits
 * for them. DuckDB reads local copies, which are bounded in size and shared by the processes of a machine.
 */
export class S3Store implements ObjectStore {
  readonly location: string;
  private readonly access: S3Access;
  private readonly cache: LocalCache;
  private readonly uploads: PendingUploads;
  private readonly downloads = new Limiter(DOWNLOADS_AT_ONCE);
  private readonly lifelong: FileHold;

  private constructor(access: S3Access, cache: LocalCache) {
    const { bucket, prefix } = access.settings;
    this.location = `s3://${bucket}${prefix === "" ? "" : `/${prefix}`}`;
    this.access = access;
    this.cache = cache;
    this.uploads = new PendingUploads(access, cache);
    this.lifelong = this.hold();
  }

  /**
   * Opens the store. Errors: `storage/no-conditional-put` when the server ignores conditional writes, `storage/no-such-bucket`,
   * `storage/no-credentials`, `storage/access-denied`, `storage/unreachable`.
   */
  static async open(settings: S3Settings): Promise<S3Store> {
    const access = s3Access(settings);
    try {
      await probeConditionalPut(access);
      return new S3Store(access, await LocalCache.open(lakeFolder(settings), settings.cacheBytes));
    } catch (error) {
      access.client.destroy();
      throw error;
    }
  }

  private failure(action: string, place: string, error: unknown): Error {
    return s3Failure(this.access.settings, action, place, error);
  }

  private target(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.access.settings.bucket, Key: this.access.objectKey(checkKey(key)) };
  }

  async putIfAbsent(key: string, bytes: Uint8Array): Promise<"created" | "exists"> {
    return putUnlessExists(this.access, checkKey(key), bytes);
  }

  async get(key: string): Promise<Uint8Array> {
    return readObject(this.access, checkKey(key));
  }

  async publish(localFile: string, key: string): Promise<void> {
    await this.uploads.begin(localFile, checkKey(key));
  }

  async makeDurable(keys: readonly string[]): Promise<void> {
    await this.uploads.finish(keys);
  }

  async localPath(key: string, expected?: FileDigest): Promise<string> {
    return this.lifelong.localPath(key, expected);
  }

  hold(): FileHold {
    return new CacheHold(
      (key, expected) => this.take(checkKey(key), expected),
      async (paths) => {
        for (const file of paths) await this.cache.drop(file);
        await this.cache.trim();
      },
    );
  }

  private async take(key: string, expected: FileDigest | undefined): Promise<string> {
    const published = this.uploads.fileOf(key);
    if (published !== undefined) {
      const held = await this.cache.takeAdopted(published, key).catch(() => undefined);
      // It may just have become an ordinary copy.
      if (held !== undefined) return held;
    }
    return this.cache.take(key, expected?.sizeBytes, (file) =>
      this.downloads.run(async () => (await downloadFile(this.access, key, file, expected)).sizeBytes),
    );
  }

  async digest(key: string): Promise<FileDigest> {
    return digestObject(this.access, checkKey(key));
  }

  async *list(prefix: string): AsyncIterable<ObjectEntry> {
    const { client, settings } = this.access;
    const base = this.access.objectKey("");
    const query = { Bucket: settings.bucket, Prefix: `${base}${prefix}` };
    try {
      for await (const page of paginateListObjectsV2({ client }, query)) {
        for (const { Key = "", Size = 0, LastModified } of page.Contents ?? []) {
          yield {
            key: Key.slice(base.length),
            sizeBytes: Size,
            modifiedAtMs: LastModified?.getTime() ?? Date.now(),
          };
        }
      }
    } catch (error) {
      throw this.failure("list", prefix, error);
    }
  }

  async delete(key: string): Promise<void> {
    const target = this.target(key);
    await this.uploads.cancel(key);
    try {
      await this.access.client.send(new DeleteObjectCommand(target));
    } catch (error) {
      throw this.failure("delete", key, error);
    }
    await this.cache.forget(key);
  }

  async deleteMany(keys: readonly string[]): Promise<void> {
    for (let start = 0; start < keys.length; start += DELETES_PER_REQUEST) {
      await this.deleteSome(keys.slice(start, start + DELETES_PER_REQUEST));
    }
  }

  private async deleteSome(keys: readonly string[]): Promise<void> {
    const objects = keys.map((key) => ({ Key: this.target(key).Key }));
    await Promise.all(keys.map((key) => this.uploads.cancel(key)));
    const { client, settings } = this.access;
    const command = new DeleteObjectsCommand({
      Bucket: settings.bucket,
      Delete: { Objects: objects, Quiet: true },
    });
    let left: readonly string[] = [];
    try {
      const { Errors = [] } = await client.send(command);
      const refused = new Set(Errors.map((error) => error.Key));
      left = keys.filter((key) => refused.has(this.target(key).Key));
    } catch (error) {
      // Some compatible servers only remove one at a time.
      if (!/NotImplemented|MethodNotAllowed|MalformedXML/.test(nameOf(error))) {
        throw this.failure("delete", keys[0]!, error);
      }
      left = keys;
    }
    // One at a time says for each why it cannot go.
    await mapConcurrently(left, DELETES_AT_ONCE, (key) => this.delete(key));
    await Promise.all(keys.map((key) => this.cache.forget(key)));
  }

  async prune(prefixes: readonly string[], cutoffMs: number): Promise<void> {
    await this.abortUploads(cutoffMs);
    // Copies of what other machines removed.
    const there = new Set<string>();
    for (const prefix of prefixes) for await (const { key } of this.list(prefix)) there.add(key);
    const judged = (key: string): boolean => prefixes.some((prefix) => key.startsWith(prefix));
    await this.cache.forgetGone((key) => there.has(key) || !judged(key));
  }

  private async abortUploads(cutoffMs: number): Promise<void> {
    const { client, settings } = this.access;
    try {
      for (const { key, uploadId } of await unfinishedUploads(this.access, cutoffMs)) {
        await client.send(
          new AbortMultipartUploadCommand({ Bucket: settings.bucket, Key: key, UploadId: uploadId }),
        );
      }
    } catch (error) {
      throw this.failure("remove unfinished uploads of", "", error);
    }
  }

  async stagingDirectory(label: string): Promise<string> {
    return this.cache.staging(label);
  }

  async workDirectory(label: string): Promise<string> {
    return this.cache.work(checkLabel(label));
  }

  async close(): Promise<void> {
    await this.uploads.cancelAll();
    await this.cache.close();
    this.access.client.destroy();
  }
}
