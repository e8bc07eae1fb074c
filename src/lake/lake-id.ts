import { randomUUID } from "node:crypto";
import { isLakeError } from "#kernel";
import type { ObjectStore } from "#storage";

const LAKE_ID_KEY = "lake-id.json";

async function known(store: ObjectStore): Promise<string | undefined> {
  try {
    const text = Buffer.from(await store.get(LAKE_ID_KEY)).toString("utf8");
    return (JSON.parse(text) as { id: string }).id;
  } catch (error) {
    if (isLakeError(error) && error.kind === "not-found") return undefined;
    throw error;
  }
}

/** The lake's identity, a UUID, made when it is first asked for. A restored lake keeps that of its backup. */
export async function lakeId(store: ObjectStore): Promise<string> {
  for (;;) {
    const id = await known(store);
    if (id !== undefined) return id;
    // Whoever is first decides; everyone reads what stands then.
    await store.putIfAbsent(LAKE_ID_KEY, Buffer.from(JSON.stringify({ id: randomUUID() })));
  }
}
