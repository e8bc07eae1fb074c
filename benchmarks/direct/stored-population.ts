import { createReadStream, existsSync, readFileSync } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { generatePopulation, type PopulationTotals } from "#synthetic";
import type { Plan } from "./setting.js";

/** Files to be stored in a FHIR server, and how many resources of each type are in them. */
export interface StoredPopulation {
  readonly files: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
}

interface Dated {
  readonly effectiveDateTime?: string;
  readonly period?: { readonly start?: string };
  readonly authoredOn?: string;
  readonly performedDateTime?: string;
  readonly performedPeriod?: { readonly start?: string };
}

/** Types that are stored whole whatever the day: who people are, and what they have. */
const WHOLE: readonly string[] = ["Patient", "Condition"];

/** True for a resource that a server has whose records begin on that day. */
function isStored(type: string, line: string, since: string): boolean {
  if (WHOLE.includes(type)) return true;
  const { effectiveDateTime, period, authoredOn, performedDateTime, performedPeriod } = JSON.parse(
    line,
  ) as Dated;
  const day = effectiveDateTime ?? period?.start ?? authoredOn ?? performedDateTime ?? performedPeriod?.start;
  return day === undefined || day >= since;
}

/** Copies the lines of a file that are stored; answers how many. */
async function copyStored(type: string, from: string, to: string, since: string): Promise<number> {
  const file = await open(to, "w");
  let count = 0;
  let lines: string[] = [];
  try {
    for await (const line of createInterface({ input: createReadStream(from) })) {
      if (line === "" || !isStored(type, line, since)) continue;
      count++;
      lines.push(line);
      if (lines.length < 2000) continue;
      await file.write(`${lines.join("\n")}\n`);
      lines = [];
    }
    if (lines.length > 0) await file.write(`${lines.join("\n")}\n`);
    return count;
  } finally {
    await file.close();
  }
}

async function generated(plan: Plan, folder: string): Promise<PopulationTotals> {
  const known = path.join(folder, "truth.json");
  const { patients, density } = plan;
  const totals = existsSync(known)
    ? (JSON.parse(readFileSync(known, "utf8")) as PopulationTotals)
    : await generatePopulation({ patients, density, seed: 7, outDir: folder, overwrite: true });
  if (totals.patients !== patients || totals.density !== density)
    throw new Error("The kept population has another size; give --keep another folder.");
  return totals;
}

/** Generates the population of a plan below `home`, or takes the one that is there, and leaves out what its server would not have. */
export async function storedPopulation(
  plan: Plan,
  home: string,
  types: readonly string[],
): Promise<StoredPopulation> {
  const folder = path.join(home, "population");
  const totals = await generated(plan, folder);
  const { since } = plan;
  if (since === undefined) {
    return { files: types.map((type) => path.join(folder, `${type}.ndjson`)), counts: totals.resources };
  }
  const stored = path.join(folder, `since-${since}`);
  await mkdir(stored, { recursive: true });
  const counts: Record<string, number> = {};
  for (const type of types) {
    const name = `${type}.ndjson`;
    counts[type] = await copyStored(type, path.join(folder, name), path.join(stored, name), since);
  }
  return { files: types.map((type) => path.join(stored, `${type}.ndjson`)), counts };
}
