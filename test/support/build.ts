import { execFileSync } from "node:child_process";
import path from "node:path";

/** Builds dist/ once before all tests, because tests of the command line run what users run. */
export function setup(): void {
  const root = path.resolve(import.meta.dirname, "../..");
  execFileSync(process.execPath, [path.join(root, "node_modules/typescript/bin/tsc"), "-b"], {
    cwd: root,
    stdio: "inherit",
  });
}
