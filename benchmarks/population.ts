import { appendFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
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

/** Copies an NDJSON file `times` times with ids made distinct, for sizes at which scan speed shows. */
export function replicate(file: string, out: string, times: number): string {
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  writeFileSync(out, "");
  for (let copy = 0; copy < times; copy++) {
    const suffix = copy.toString(36).padStart(2, "0");
    const renamed = lines.map((line) =>
      line.replace(/"id":"([^"]{3,})"/, (_, id: string) => `"id":"${id.slice(0, -2)}${suffix}"`),
    );
    appendFileSync(out, `${renamed.join("\n")}\n`);
  }
  return out;
}
