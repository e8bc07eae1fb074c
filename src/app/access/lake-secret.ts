import { hkdfSync, randomBytes } from "node:crypto";
import { LakeError } from "#kernel";
import type { Lake } from "#lake";
import { servingKey } from "../serving-key.js";

const LEAST = 32;

/** What secrets of their own are made from the lake's for: each is of no use for the others. */
export type SecretPurpose = "audit" | "links" | "pseudonyms";

/**
 * The secret of a lake: that of the configuration, or the one that the lake keeps with its data, which whoever reads it has anyway. A lake that
 * cannot be written to keeps none: a secret of this process alone will do unless `mustLast`. Fails with `access/short-secret`,
 * `access/no-secret`.
 */
export async function lakeSecret(
  store: Lake["store"],
  configured: string | undefined,
  mustLast = true,
): Promise<Uint8Array> {
  if (configured !== undefined) {
    if (configured.length >= LEAST) return Buffer.from(configured);
    throw new LakeError(
      "invalid-input",
      "access/short-secret",
      `security.secret has fewer than ${LEAST} characters; make one with: openssl rand -base64 32`,
    );
  }
  const kept = await servingKey(store);
  if (kept !== undefined) return kept;
  if (!mustLast) return randomBytes(LEAST);
  throw new LakeError(
    "invalid-input",
    "access/no-secret",
    "The lake cannot be written to and so keeps no secret for pseudonyms and the audit log; name one as security.secret.",
  );
}

/** 32 bytes for one purpose. */
export function derivedKey(secret: Uint8Array, purpose: SecretPurpose): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", secret, "fhir-lake", purpose, 32));
}
