import { existsSync } from "node:fs";
import path from "node:path";

/** The folder of shared data sets beside the repository, or undefined when this machine has none. */
export function sharedFolder(): string | undefined {
  const folder = process.env["FHIR_LAKE_SHARED"] ?? path.resolve(import.meta.dirname, "../../../shared");
  if (existsSync(folder)) return folder;
  if (process.env["REQUIRE_SERVICES"] === "1")
    throw new Error(`The shared data sets are required but '${folder}' does not exist.`);
  return undefined;
}
