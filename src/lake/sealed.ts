import { createHash } from "node:crypto";

const PREFIX = '{"sha256":"';
const MIDDLE = '","content":';

/** A value as JSON bytes with a checksum over its own text in front. */
export function seal(value: unknown): Uint8Array {
  const body = JSON.stringify(value);
  const sha256 = createHash("sha256").update(body).digest("hex");
  return Buffer.from(`${PREFIX}${sha256}${MIDDLE}${body}}`);
}

/** What {@link seal} was given, or undefined when any byte changed since. */
export function unseal(bytes: Uint8Array): unknown {
  const text = Buffer.from(bytes).toString("utf8");
  const sha256 = text.slice(PREFIX.length, PREFIX.length + 64);
  const body = text.slice(PREFIX.length + 64 + MIDDLE.length, -1);
  if (text !== `${PREFIX}${sha256}${MIDDLE}${body}}`) return undefined;
  return createHash("sha256").update(body).digest("hex") === sha256 ? JSON.parse(body) : undefined;
}
