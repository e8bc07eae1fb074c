// Prints `N passed, N failed` for a vitest JSON report plus failed static checks, and exits accordingly.
import { readFileSync } from "node:fs";

const [file, staticFailures] = process.argv.slice(2);
let passed = 0;
let failed = Number(staticFailures);
try {
  const report = JSON.parse(readFileSync(file, "utf8"));
  passed = report.numPassedTests;
  failed +=
    report.numFailedTests +
    report.testResults.filter((t) => t.status === "failed" && t.assertionResults.length === 0).length;
  if (report.success !== true && failed === 0) failed = 1;
} catch {
  failed += 1;
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
