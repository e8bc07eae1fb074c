import { execFileSync } from "node:child_process";
import path from "node:path";

/** Builds dist/ once before all tests, because tests of the command line run what users run; and the FHIR server that serves them. */
export function setup(): void {
  const root = path.resolve(import.meta.dirname, "../..");
  const projects = ["tsconfig.json", "tsconfig.fhir-server.json", "tsconfig.benchmarks.json"];
  execFileSync(process.execPath, [path.join(root, "node_modules/typescript/bin/tsc"), "-b", ...projects], {
    cwd: root,
    stdio: "inherit",
  });
}
