/**
 * Creating an object unless its key exists, when answers can be lost.
 *
 *   200                      created
 *   412                      exists, unless an earlier try of ours may have been carried out: then the writer's mark decides
 *   409, 404                 another conditional request or a delete was under way: nothing was written, try again
 *   5xx, timeout, no answer  unknown: try again; the try itself finds out, as 412 with our mark means that we created it
 *
 * Each call marks its object with a random id, so that equal bytes of another writer are never mistaken for ours.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { HeadObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { LakeError } from "#kernel";
import type { S3Access } from "./client.js";
import { isMissing, isOutcomeUnknown, s3Failure, statusOf } from "./failure.js";

const MOST_ATTEMPTS = 9;
/** No further try is begun after this, so that a silent server is told after minutes at most. */
const LONGEST_MS = 90_000;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 3_000;
/** Name of the metadata entry (`x-amz-meta-writer`) that holds the writer's mark. */
const WRITER = "writer";

type Attempt = "created" | "exists" | "again" | "unknown";

async function attempt(
  access: S3Access,
  key: string,
  bytes: Uint8Array,
  writer: string,
): Promise<Attempt | { readonly refused: unknown }> {
  const { once, settings } = access;
  try {
    await once.send(
      new PutObjectCommand({
        Bucket: settings.bucket,
        Key: access.objectKey(key),
        Body: bytes,
        IfNoneMatch: "*",
        Metadata: { [WRITER]: writer },
      }),
      { abortSignal: AbortSignal.timeout(settings.timeoutMs) },
    );
    return "created";
  } catch (error) {
    const status = statusOf(error);
    if (status === 412) return "exists";
    if (status === 409 || status === 429 || isMissing(error)) return "again";
    if (isOutcomeUnknown(error)) return "unknown";
    return { refused: error };
  }
}

/** The mark of whoever wrote the object; undefined when there is none. */
async function writerOf(access: S3Access, key: string): Promise<string | undefined> {
  const { client, settings } = access;
  try {
    const { Metadata } = await client.send(
      new HeadObjectCommand({ Bucket: settings.bucket, Key: access.objectKey(key) }),
    );
    return Metadata?.[WRITER] ?? "";
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function outcomeUnknown(key: string, cause: unknown): LakeError {
  return new LakeError(
    "unavailable",
    "storage/outcome-unknown",
    `It is not known whether '${key}' was written, because the server stopped answering; run the command again.`,
    { details: { key }, cause, retryable: true },
  );
}

/**
 * Creates the object or says that somebody else's stands there. Errors: `storage/outcome-unknown` when a try may have been (or may yet
 * be) carried out and could not be read back; any other error means that nothing was written.
 */
export async function putUnlessExists(
  access: S3Access,
  key: string,
  bytes: Uint8Array,
): Promise<"created" | "exists"> {
  const writer = randomUUID();
  const begun = performance.now();
  let uncertain = false;
  for (let tried = 0; tried < MOST_ATTEMPTS && performance.now() - begun < LONGEST_MS; tried++) {
    const outcome = await attempt(access, key, bytes, writer);
    if (outcome === "created") return "created";
    if (outcome === "exists") {
      if (!uncertain) return "exists";
      try {
        return (await writerOf(access, key)) === writer ? "created" : "exists";
      } catch (error) {
        throw outcomeUnknown(key, s3Failure(access.settings, "read", key, error));
      }
    }
    if (typeof outcome === "object") {
      const failure = s3Failure(access.settings, "write", key, outcome.refused);
      throw uncertain ? outcomeUnknown(key, failure) : failure;
    }
    if (outcome === "unknown") uncertain = true;
    await sleep((0.5 + Math.random()) * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** tried));
  }
  if (uncertain) throw outcomeUnknown(key, undefined);
  throw new LakeError(
    "conflict",
    "storage/too-much-contention",
    `Others kept writing '${key}' at the same moment; run the command again.`,
    { details: { key }, retryable: true },
  );
}
