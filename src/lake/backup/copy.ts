import { createHash, randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { isLakeError } from "#kernel";
import { type FileDigest, type ObjectStore, storageFailure, syncDirectory, syncFile } from "#storage";
import { isStorageNotFound } from "../not-found.js";

/** Copies a local file and gives size and checksum of the bytes that were read. */
async function copyFile(from: string, to: string): Promise<FileDigest> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      done(null, chunk);
    },
  });
  await pipeline(createReadStream(from, { highWaterMark: 1 << 20 }), measure, createWriteStream(to));
  return { sizeBytes, sha256: hash.digest("hex") };
}

/** True when both say the same of a file. */
export function sameDigest(a: FileDigest, b: FileDigest): boolean {
  return a.sizeBytes === b.sizeBytes && a.sha256 === b.sha256;
}

/** The object's digest as it is stored now, or undefined when it is not there. */
export async function digestOf(store: ObjectStore, key: string): Promise<FileDigest | undefined> {
  try {
    return await store.digest(key);
  } catch (error) {
    if (isStorageNotFound(error)) return undefined;
    throw error;
  }
}

/**
 * Puts a copy of a local file into a store under a new key and reads it back. False when what was read or what arrived is not what was
 * expected; nothing is left under the key then.
 */
export async function putCopy(
  local: string,
  store: ObjectStore,
  key: string,
  expected: FileDigest,
  staging: string,
): Promise<boolean> {
  const staged = path.join(staging, randomUUID());
  try {
    const read = await copyFile(local, staged).catch((error: unknown) => {
      throw storageFailure("copy", key, error);
    });
    if (!sameDigest(read, expected)) return false;
    await store.publish(staged, key);
    await store.makeDurable([key]);
    const arrived = await digestOf(store, key);
    if (arrived !== undefined && sameDigest(arrived, expected)) return true;
    await store.delete(key);
    return false;
  } finally {
    await rm(staged, { force: true });
  }
}

/**
 * Copies an object from one store to another under a new key and reads it back. False when it is missing, is not what was expected, or
 * did not arrive; nothing is left under the new key then.
 */
export async function copyObject(
  from: { readonly store: ObjectStore; readonly key: string },
  to: { readonly store: ObjectStore; readonly key: string; readonly staging: string },
  expected: FileDigest,
): Promise<boolean> {
  const hold = from.store.hold();
  try {
    const local = await hold.localPath(from.key, expected);
    return await putCopy(local, to.store, to.key, expected, to.staging);
  } catch (error) {
    if (isStorageNotFound(error) || isLakeError(error, "storage/damaged-object")) return false;
    throw error;
  } finally {
    await hold.release();
  }
}

/** Writes an object to a local file, whole or not at all. False when it is missing or not what was expected. */
export async function copyOut(
  store: ObjectStore,
  key: string,
  to: string,
  expected: FileDigest,
): Promise<boolean> {
  const partial = `${to}.partial`;
  const hold = store.hold();
  try {
    await mkdir(path.dirname(to), { recursive: true });
    const read = await copyFile(await hold.localPath(key, expected), partial);
    if (!sameDigest(read, expected)) return false;
    await syncFile(partial);
    await rename(partial, to);
    await syncDirectory(path.dirname(to));
    return true;
  } catch (error) {
    if (isStorageNotFound(error) || isLakeError(error, "storage/damaged-object")) return false;
    throw error;
  } finally {
    await hold.release();
    await rm(partial, { force: true });
  }
}
