import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { generatePopulation } from "#synthetic";
import { writeQuestionnaireResponses } from "./questionnaire-response.js";

/** Types taken from the synthetic population, and how many patients it takes for a thousand of each. */
const populationTypes = ["Patient", "Condition", "Encounter", "Observation"] as const;
const patients = 400;
const seed = 20_260_907;

async function* linesOf(file: string): AsyncGenerator<string> {
  const lines = createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY });
  for await (const line of lines) if (line !== "") yield line;
}

/** Gives every id and relative reference of a line its own copy number, so that copies are resources of their own. */
function renamed(line: string, copy: number): string {
  if (copy === 0) return line;
  return line
    .replace(/^(\{"resourceType":"[A-Za-z]+","id":"[^"]+)"/, `$1-${copy}"`)
    .replace(/("reference":"[A-Z][A-Za-z]+\/[^"]+)"/g, `$1-${copy}"`);
}

async function replicate(source: string, target: string, wanted: number): Promise<void> {
  const out = createWriteStream(`${target}.part`);
  let written = 0;
  for (let copy = 0; written < wanted; copy++) {
    for await (const line of linesOf(source)) {
      if (written >= wanted) break;
      written += 1;
      if (!out.write(`${renamed(line, copy)}\n`))
        await new Promise<void>((resolve) => out.once("drain", resolve));
    }
  }
  await new Promise<void>((resolve, reject) =>
    out.end((error?: Error | null) => (error ? reject(error) : resolve())),
  );
  await rename(`${target}.part`, target);
}

/**
 * NDJSON files of at least `count` resources per type under `folder`, by type; made once and kept. Patients, conditions,
 * encounters and observations are copies of a small synthetic population, questionnaire responses are made here.
 */
export async function benchmarkData(folder: string, count: number): Promise<Record<string, string>> {
  const target = path.join(folder, String(count));
  await mkdir(target, { recursive: true });
  const base = path.join(folder, "population");
  const files: Record<string, string> = {};
  for (const type of populationTypes) {
    files[type] = path.join(target, `${type}.ndjson`);
    if (existsSync(files[type])) continue;
    if (!existsSync(path.join(base, "truth.json"))) {
      await generatePopulation({ patients, seed, outDir: base, overwrite: true });
    }
    await replicate(path.join(base, `${type}.ndjson`), files[type], count);
  }
  files["QuestionnaireResponse"] = path.join(target, "QuestionnaireResponse.ndjson");
  if (!existsSync(files["QuestionnaireResponse"])) {
    await writeQuestionnaireResponses(files["QuestionnaireResponse"], count);
  }
  return files;
}
