import { createReadStream } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { createGunzip } from "node:zlib";
import { isLakeError, LakeError, parseExactJson } from "#kernel";

/** Arrays and objects within each other; what nests deeper is no FHIR resource that anybody wrote. */
const MAX_NESTING = 500;

function problemOf(line: string): string | undefined {
  try {
    const value = parseExactJson(line);
    const type =
      typeof value === "object" && value !== null && "resourceType" in value
        ? value["resourceType"]
        : undefined;
    return typeof type === "string" ? undefined : "it is no JSON object with a resourceType";
  } catch (error) {
    if (!isLakeError(error)) throw error;
    return `it is not valid JSON, or nests more than ${MAX_NESTING} levels, at character ${Number(error.details["offset"]) + 1}`;
  }
}

async function badLineOf(file: string): Promise<LakeError | undefined> {
  const bytes = createReadStream(file);
  const text = file.endsWith(".gz") ? bytes.pipe(createGunzip()) : bytes;
  let number = 0;
  for await (const line of createInterface({ input: text, crlfDelay: Number.POSITIVE_INFINITY })) {
    number += 1;
    const problem = line.trim() === "" ? undefined : problemOf(line);
    if (problem === undefined) continue;
    bytes.destroy();
    const message = `${path.basename(file)}, line ${number}: the line is no FHIR resource, ${problem}.`;
    return new LakeError("invalid-input", "view/bad-line", message, {
      details: { file: path.basename(file), line: number },
    });
  }
  return undefined;
}

/**
 * The first line of NDJSON files that is no FHIR resource, as an error that says where it is; undefined when every line is one. The engine
 * finds that there is such a line, but counts lines in its own way.
 */
export async function findBadLine(files: readonly string[]): Promise<LakeError | undefined> {
  for (const file of files) {
    const found = await badLineOf(file);
    if (found !== undefined) return found;
  }
  return undefined;
}
