import { readdirSync } from "node:fs";
import path from "node:path";
import { generatePopulation } from "#synthetic";

/** Makes a synthetic population below `scratch` and answers its resource files, `<Type>.ndjson`. */
export async function population(scratch: string, patients: number, seed = 7): Promise<string[]> {
  const outDir = path.join(scratch, `population-${patients}`);
  await generatePopulation({ patients, seed, outDir });
  return readdirSync(outDir)
    .filter((name) => /^[A-Z].*\.ndjson$/.test(name))
    .map((name) => path.join(outDir, name));
}
