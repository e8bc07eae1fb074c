import { PutObjectCommand } from "@aws-sdk/client-s3";
import { LakeError } from "#kernel";
import type { S3Access } from "./client.js";
import { s3Failure, statusOf } from "./failure.js";

/** An object that every lake in a bucket has, so that the question costs one request once it is there. */
const PROBE_KEY = "probe/conditional-put.json";

async function put(access: S3Access): Promise<"written" | "refused" | "denied"> {
  try {
    await access.client.send(
      new PutObjectCommand({
        Bucket: access.settings.bucket,
        Key: access.objectKey(PROBE_KEY),
        Body: Buffer.from('{"purpose":"shows that the server honours If-None-Match"}\n'),
        IfNoneMatch: "*",
      }),
    );
    return "written";
  } catch (error) {
    // 409: another process asks the same at this moment, and the server looks at the condition.
    if (statusOf(error) === 412 || statusOf(error) === 409) return "refused";
    if (statusOf(error) === 403) return "denied";
    throw s3Failure(access.settings, "write", PROBE_KEY, error);
  }
}

/**
 * Makes sure that the server honours conditional writes, on which every commit depends. `read-only` when the credentials may not write
 * at all: then nothing can go wrong either. Errors: `storage/no-conditional-put`.
 */
export async function probeConditionalPut(access: S3Access): Promise<"honoured" | "read-only"> {
  for (let tried = 0; tried < 2; tried++) {
    const outcome = await put(access);
    if (outcome === "refused") return "honoured";
    if (outcome === "denied") return "read-only";
  }
  throw new LakeError(
    "unsupported",
    "storage/no-conditional-put",
    `The server of the bucket '${access.settings.bucket}' ignores conditional writes (If-None-Match: *), without which two writers could overwrite each other's commits; use AWS S3, MinIO or another server that honours them.`,
    { details: { bucket: access.settings.bucket } },
  );
}
