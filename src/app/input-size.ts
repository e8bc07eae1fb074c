import { readdir, stat } from "node:fs/promises";
import path from "node:path";

/** How much larger packed NDJSON gets when it is unpacked; FHIR text packs to an eighth at best. */
const UNPACKED = 8;

async function sizeOf(place: string): Promise<number> {
  const info = await stat(place).catch(() => undefined);
  if (info === undefined) return 0;
  if (info.isFile()) return place.endsWith(".gz") ? info.size * UNPACKED : info.size;
  if (!info.isDirectory()) return 0;
  const names = await readdir(place).catch(() => []);
  const sizes = await Promise.all(names.map((name) => sizeOf(path.join(place, name))));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** About how many bytes of text these files and folders hold; what cannot be known beforehand (standard input) counts as nothing. */
export async function inputBytes(inputs: readonly (string | { readonly path: string })[]): Promise<number> {
  const sizes = await Promise.all(
    inputs.map((input) => sizeOf(path.resolve(typeof input === "string" ? input : input.path))),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
