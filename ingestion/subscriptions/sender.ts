import { createHmac, hash, timingSafeEqual } from "node:crypto";
import type { OrderPolicy } from "#landing";

/** A header whose value must be one of several, the current and the next secret during a rotation. */
export interface SecretHeader {
  /** Lower case. */
  readonly name: string;
  readonly values: readonly string[];
}

/** Who may send notifications, and what they are about. */
export interface Sender {
  /** Identity namespace of the resources. */
  readonly source: string;
  readonly policy: OrderPolicy;
  /** Secret path segments that are accepted: the current one and, during a rotation, the next. */
  readonly pathSecrets: readonly string[];
  readonly header?: SecretHeader | undefined;
  /** Keys of an HMAC-SHA256 over the body, sent in hex under this header. */
  readonly signature?: { readonly header: string; readonly keys: readonly string[] } | undefined;
}

/** Equal texts, in a time that tells nothing about where they differ. */
function same(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(hash("sha256", a, "hex")), Buffer.from(hash("sha256", b, "hex")));
}

function oneOf(given: string, accepted: readonly string[]): boolean {
  let found = false;
  // All are compared, so that the time does not tell which one matched.
  for (const secret of accepted) if (secret !== "" && same(given, secret)) found = true;
  return found;
}

/** True when path and headers prove the sender; the signature is checked by {@link isSigned} once the body is here. */
export function isSender(sender: Sender, pathSecret: string, headers: Headers): boolean {
  const byPath = oneOf(pathSecret, sender.pathSecrets);
  const { header } = sender;
  if (header === undefined) return byPath;
  return oneOf(headers.get(header.name) ?? "", header.values) && byPath;
}

/** True when the sender signs nothing, or the body carries a signature by one of its keys. */
export function isSigned(sender: Sender, body: Uint8Array, headers: Headers): boolean {
  const { signature } = sender;
  if (signature === undefined) return true;
  const given = headers.get(signature.header) ?? "";
  return oneOf(
    given.replace(/^sha256=/, "").toLowerCase(),
    signature.keys.map((key) => createHmac("sha256", key).update(body).digest("hex")),
  );
}
