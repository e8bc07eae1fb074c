import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { packageRoot } from "#kernel";

const folder = path.join(process.env["FHIR_LAKE_SHARED"] ?? path.resolve(packageRoot(), "../shared"), "data");

/** Whether the real data sets stand beside the repository. */
export function hasRealData(): boolean {
  return existsSync(folder);
}

/** The resources of one type in a data set, one JSON text each, in file order; empty when the set has none. */
export function realResources(set: string, resourceType: string): string[] {
  const files = readdirSync(path.join(folder, set)).filter((name) => name.startsWith(`${resourceType}.`));
  return files.flatMap((name) => {
    const bytes = readFileSync(path.join(folder, set, name));
    const text = (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
    return text.split("\n").filter((line) => line !== "");
  });
}
