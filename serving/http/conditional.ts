import { createHash } from "node:crypto";

/** A strong entity tag from everything that decides the bytes of an answer. */
export function entityTag(...parts: readonly (string | number)[]): string {
  const digest = createHash("sha256").update(JSON.stringify(parts)).digest("base64url");
  return `"${digest.slice(0, 27)}"`;
}

/** True when an If-None-Match header names the tag (RFC 9110, 13.1.2: weak comparison, `*` matches all). */
export function matches(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === "*") return true;
  return ifNoneMatch.split(",").some((candidate) => candidate.trim().replace(/^W\//, "") === tag);
}
