import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import { type Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { GetObjectCommand } from "@aws-sdk/client-s3";
import { LakeError } from "#kernel";
import { storageFailure } from "../errors.js";
import type { FileDigest } from "../object-store.js";
import type { S3Access } from "./client.js";
import { isOutcomeUnknown, s3Failure } from "./failure.js";

const MOST_ATTEMPTS = 4;
const FIRST_PAUSE_MS = 100;

const DISK_ERRORS = /^(ENOSPC|EDQUOT|EACCES|EPERM|EROFS|EMFILE|EIO)$/;

/** Sends the object's bytes into `sink` and measures them; an answer that ends early fails. */
async function transfer(access: S3Access, key: string, sink: Writable): Promise<FileDigest> {
  const { client, settings } = access;
  const command = new GetObjectCommand({ Bucket: settings.bucket, Key: access.objectKey(key) });
  const { Body, ContentLength } = await client.send(command);
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const measured = async function* (chunks: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
    for await (const chunk of chunks) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      yield chunk;
    }
  };
  await pipeline(Body as Readable, measured, sink);
  if (ContentLength !== undefined && ContentLength !== sizeBytes) {
    throw new Error(`The answer ended after ${sizeBytes} of ${ContentLength} bytes`);
  }
  return { sizeBytes, sha256: hash.digest("hex") };
}

/** Repeats a transfer that was cut off; what the server refuses or the disk cannot take is not repeated. */
async function repeated(access: S3Access, key: string, sink: () => Writable): Promise<FileDigest> {
  for (let tried = 1; ; tried++) {
    try {
      return await transfer(access, key, sink());
    } catch (error) {
      if (error instanceof LakeError) throw error;
      const code = (error as NodeJS.ErrnoException).code ?? "";
      if (DISK_ERRORS.test(code)) throw storageFailure("write a local copy of", key, error);
      if (tried === MOST_ATTEMPTS || !isOutcomeUnknown(error)) {
        throw s3Failure(access.settings, "read", key, error);
      }
      await sleep(FIRST_PAUSE_MS * 2 ** tried);
    }
  }
}

/** The whole object in memory. */
export async function readObject(access: S3Access, key: string): Promise<Uint8Array> {
  let chunks: Buffer[] = [];
  await repeated(access, key, () => {
    chunks = [];
    return new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        chunks.push(chunk);
        done();
      },
    });
  });
  return Buffer.concat(chunks);
}

/** Reads the object and answers its size and checksum, keeping nothing. */
export function digestObject(access: S3Access, key: string): Promise<FileDigest> {
  const nowhere = (): Writable => new Writable({ write: (_chunk, _encoding, done) => done() });
  return repeated(access, key, nowhere);
}

function damaged(key: string, found: FileDigest, expected: FileDigest): LakeError {
  const what =
    found.sizeBytes === expected.sizeBytes
      ? "has other contents than when it was written"
      : `has ${found.sizeBytes} bytes instead of ${expected.sizeBytes}`;
  return new LakeError("corrupt-data", "storage/damaged-object", `The object '${key}' ${what}.`, {
    details: { key },
  });
}

/**
 * Writes the object to a new local file, forced to the disk. Errors: `storage/not-found`, `storage/damaged-object` when it is not what
 * `expected` says (asked twice, in case the damage was on the way), `storage/disk-full`.
 */
export async function downloadFile(
  access: S3Access,
  key: string,
  file: string,
  expected: FileDigest | undefined,
): Promise<FileDigest> {
  const sink = (): Writable => createWriteStream(file, { flush: true, mode: 0o600 });
  for (let second = false; ; second = true) {
    try {
      const found = await repeated(access, key, sink);
      if (expected === undefined) return found;
      if (found.sha256 === expected.sha256 && found.sizeBytes === expected.sizeBytes) return found;
      if (second) throw damaged(key, found, expected);
    } catch (error) {
      await rm(file, { force: true });
      throw error;
    }
  }
}
