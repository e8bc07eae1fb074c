import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from "node:crypto";
import { z } from "zod";
import type { Position, ResumePoint } from "#query";
import { badRequest } from "../http/errors.js";
import { outputParameters } from "./described.js";

/** Where a page ended: in which state, of which question, after which row. */
export interface Cursor {
  readonly point: ResumePoint;
  /** Digest of everything in the URL that decides the rows, apart from the page; see {@link questionDigest}. */
  readonly question: string;
  readonly position: Position;
}

const cursorSchema = z.strictObject({
  point: z.strictObject({
    view: z.string(),
    snapshot: z.number(),
    epoch: z.number().optional(),
    hash: z.string().optional(),
    changedAt: z.number().optional(),
    revision: z.string().optional(),
    policy: z.string().optional(),
  }),
  question: z.string(),
  position: z.strictObject({
    values: z.array(z.string().nullable()),
    key: z.string(),
    skip: z.number(),
  }),
});

/** Parameters that may change from page to page: they decide how many rows leave and in which form, not which. */
const free: ReadonlySet<string> = new Set(["cursor", "limit", "count", "_format", ...outputParameters]);

/** A digest of the parameters that a cursor holds to. */
export function questionDigest(view: string, parameters: URLSearchParams): string {
  const kept = [...parameters].filter(([name]) => !free.has(name)).map(([name, value]) => [name, value]);
  kept.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  return createHash("sha256")
    .update(JSON.stringify([view, kept]))
    .digest("base64url")
    .slice(0, 27);
}

const NONCE = 12;
const TAG = 16;

/**
 * Turns cursors into text and back. The text is encrypted, since it holds values of a row and stands in URLs, and cannot be made or changed by
 * anybody without the key. Equal cursors have equal texts, so that equal answers have equal bytes.
 */
export class CursorCodec {
  private readonly key: Buffer;

  /** `key` has 32 bytes; servers with one key read each other's cursors. */
  constructor(key: Uint8Array = randomBytes(32)) {
    this.key = Buffer.from(key);
  }

  encode(cursor: Cursor): string {
    const text = JSON.stringify(cursor);
    const nonce = createHmac("sha256", this.key).update(text).digest().subarray(0, NONCE);
    const cipher = createCipheriv("aes-256-gcm", this.key, nonce);
    const body = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), body]).toString("base64url");
  }

  /** Fails with `serving/bad-cursor`. */
  decode(text: string): Cursor {
    const bytes = Buffer.from(text, "base64url");
    try {
      const decipher = createDecipheriv("aes-256-gcm", this.key, bytes.subarray(0, NONCE), {
        authTagLength: TAG,
      });
      decipher.setAuthTag(bytes.subarray(NONCE, NONCE + TAG));
      const plain = Buffer.concat([decipher.update(bytes.subarray(NONCE + TAG)), decipher.final()]);
      return cursorSchema.parse(JSON.parse(plain.toString("utf8"))) as Cursor;
    } catch {
      throw badRequest(
        "bad-cursor",
        "This cursor was not made by this server, or is not whole. Take it from the Link header of the page before, or ask for the first page again.",
        { parameter: "cursor" },
      );
    }
  }
}

/** Fails with `serving/cursor-mismatch` unless the cursor was made for that question. */
export function checkCursor(cursor: Cursor, view: string, digest: string): void {
  if (cursor.point.view === view && cursor.question === digest) return;
  throw badRequest(
    "cursor-mismatch",
    "This cursor belongs to another question. Between pages only limit, count and the format may change; use the address in the Link header as it is.",
    { parameter: "cursor" },
  );
}
