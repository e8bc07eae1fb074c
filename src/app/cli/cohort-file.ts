import { readFile } from "node:fs/promises";
import path from "node:path";
import { LakeError } from "#kernel";

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new LakeError("invalid-input", "cli/unreadable-file", `The file ${file} cannot be read.`, {
      cause,
    });
  }
}

function parsed(text: string, file: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new LakeError("invalid-input", "cli/bad-json", `The file ${file} is no JSON.`, { cause });
  }
}

type Json = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * The JSON of a cohort definition in a file. A value set `{"file": "codes.csv"}` or `{"file": "valueset.json"}` beside it is read into the
 * definition, so that what is stored stands by itself. Fails with `cli/unreadable-file`, `cli/bad-json`.
 */
export async function readCohortFile(file: string): Promise<unknown> {
  const definition = parsed(await textOf(file), file);
  if (!isObject(definition) || !isObject(definition["valueSets"])) return definition;
  const sets = await Promise.all(
    Object.entries(definition["valueSets"]).map(async ([name, set]) => {
      if (!isObject(set) || typeof set["file"] !== "string") return [name, set] as const;
      const beside = path.resolve(path.dirname(file), set["file"]);
      const text = await textOf(beside);
      return [name, beside.endsWith(".json") ? { valueSet: parsed(text, beside) } : { csv: text }] as const;
    }),
  );
  return { ...definition, valueSets: Object.fromEntries(sets) };
}
