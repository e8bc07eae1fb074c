import { randomBytes } from "node:crypto";
import { isLakeError } from "#kernel";
import type { ObjectStore } from "#storage";

const PLACE = "serving-key.json";
const BYTES = 32;

async function known(store: ObjectStore): Promise<Uint8Array | undefined> {
  try {
    const { key } = JSON.parse(Buffer.from(await store.get(PLACE)).toString("utf8")) as { key: string };
    return Buffer.from(key, "base64url");
  } catch (error) {
    if (isLakeError(error) && error.kind === "not-found") return undefined;
    throw error;
  }
}

/**
 * The 32 bytes that all servers of a lake encrypt the cursors of their pages with, so that a page may be asked of another server than the one
 * before, or after a restart. Kept in the lake, made when first asked for: who reads it there reads the rows as well. Undefined where the
 * lake may not be written to; each server then reads only its own cursors.
 */
export async function servingKey(store: ObjectStore): Promise<Uint8Array | undefined> {
  for (;;) {
    const key = await known(store);
    if (key !== undefined) return key;
    try {
      // Whoever is first decides; everyone reads what stands then.
      await store.putIfAbsent(
        PLACE,
        Buffer.from(JSON.stringify({ key: randomBytes(BYTES).toString("base64url") })),
      );
    } catch (error) {
      if (isLakeError(error)) return undefined;
      throw error;
    }
  }
}
