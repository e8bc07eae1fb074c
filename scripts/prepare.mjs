// Runs after `npm ci` in a clone: builds dist/ and links the CLI so that `npx fhir-lake` works at once.
// Does nothing when TypeScript is not installed (for example `npm ci --omit=dev` of a built package).
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");
if (existsSync(tsc)) {
  execFileSync(process.execPath, [tsc, "-b"], { cwd: root, stdio: "inherit" });
  const main = path.join(root, "dist", "src", "app", "cli", "main.js");
  const binDir = path.join(root, "node_modules", ".bin");
  mkdirSync(binDir, { recursive: true });
  const link = path.join(binDir, "fhir-lake");
  rmSync(link, { force: true });
  if (process.platform === "win32") {
    writeFileSync(`${link}.cmd`, `@node "${main}" %*\r\n`);
  } else {
    chmodSync(main, 0o755);
    symlinkSync(path.relative(binDir, main), link);
  }
}
