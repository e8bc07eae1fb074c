import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

let cached: string | undefined;

/** The folder of fhir-lake's package.json, the same whether sources or `dist` run. Shipped data is read from below it. */
export function packageRoot(): string {
  if (cached !== undefined) return cached;
  let dir = path.dirname(fileURLToPath(import.meta.url));
  while (!existsSync(path.join(dir, "package.json"))) {
    const parent = path.dirname(dir);
    if (parent === dir) throw new Error("package.json of fhir-lake not found above its own code");
    dir = parent;
  }
  cached = dir;
  return dir;
}
