import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import type { S3Access } from "./client.js";
import { s3Failure } from "./failure.js";

/** Files up to this size go up in one request, larger ones in parts of it; it also bounds the memory of an upload to twice its size. */
const PART_BYTES = 8 * 2 ** 20;
const PARTS_AT_ONCE = 2;

/**
 * Puts a local file under a key that nobody else writes, with SHA-256 checksums that the server compares. A failed upload in parts
 * takes its parts back. Errors: those of {@link s3Failure}.
 */
export async function uploadFile(
  access: S3Access,
  file: string,
  key: string,
  abort: AbortController,
): Promise<void> {
  const target = { Bucket: access.settings.bucket, Key: access.objectKey(key) };
  try {
    const { size } = await stat(file);
    if (size <= PART_BYTES) {
      const command = new PutObjectCommand({
        ...target,
        Body: await readFile(file),
        ChecksumAlgorithm: "SHA256",
      });
      await access.client.send(command, { abortSignal: abort.signal });
      return;
    }
    await new Upload({
      client: access.client,
      params: {
        ...target,
        Body: createReadStream(file, { highWaterMark: 1 << 20 }),
        ChecksumAlgorithm: "SHA256",
      },
      partSize: PART_BYTES,
      queueSize: PARTS_AT_ONCE,
      leavePartsOnError: false,
      abortController: abort,
    }).done();
  } catch (error) {
    throw s3Failure(access.settings, "write", key, error);
  }
}
