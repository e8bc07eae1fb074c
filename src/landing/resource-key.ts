import { hash } from "node:crypto";

/** Hex digits of a resource key: the first 128 bits of a SHA-256. */
export const RESOURCE_KEY_LENGTH = 32;

/**
 * The identity of a resource in the lake: 32 lowercase hex digits, the first 128 bits of
 * SHA-256 over `source`, NUL, resource type, NUL, id (UTF-8). Sources are separate name spaces.
 */
export function resourceKey(source: string, type: string, id: string): string {
  return hash("sha256", `${source}\0${type}\0${id}`, "hex").slice(0, RESOURCE_KEY_LENGTH);
}
