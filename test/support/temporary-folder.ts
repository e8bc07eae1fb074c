import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/**
 * Gives the whole test run one temporary folder of its own, which tests and the processes they start find as `os.tmpdir()`, and
 * removes it afterwards with everything that failed or killed tests left in it.
 */
export function setup(): () => void {
  const before = process.env["TMPDIR"];
  const folder = mkdtempSync(path.join(tmpdir(), "fhir-lake-tests-"));
  // Postgres runs as a user of its own when the tests run as root, and must get through to its folder.
  chmodSync(folder, 0o711);
  process.env["TMPDIR"] = folder;
  return () => {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  };
}
