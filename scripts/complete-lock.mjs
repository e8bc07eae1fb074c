// Completes package-lock.json with the platform binaries that the registry at hand did not offer when the lock was made: `npm ci` wants
// every optional dependency in the lock, also those for other platforms. Run it after `npm install` changed the lock.
import { readFileSync, writeFileSync } from "node:fs";

const lock = JSON.parse(readFileSync("package-lock.json", "utf8"));
const OS = [
  "android",
  "darwin",
  "freebsd",
  "linux",
  "openharmony",
  "win32",
  "sunos",
  "aix",
  "netbsd",
  "openbsd",
];
const CPU = ["arm64", "arm", "x64", "ia32", "ppc64", "riscv64", "s390x", "loong64", "mips64el", "wasm32"];

/** What the package's name says about where it runs. */
function platform(name) {
  const words = name.split("/").at(-1).split(/[-_.]/);
  const os = OS.find((known) => words.includes(known));
  const cpu = CPU.find((known) => words.includes(known));
  const libc = words.includes("musl") || words.includes("musleabihf") ? "musl" : undefined;
  return {
    ...(cpu === undefined ? {} : { cpu: [cpu] }),
    ...(os === undefined ? {} : { os: [os] }),
    ...(os === "linux" && libc !== undefined ? { libc: [libc] } : {}),
  };
}

let added = 0;
for (const [place, entry] of Object.entries(lock.packages)) {
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    const nested = `${place}/node_modules/${name}`;
    const top = `node_modules/${name}`;
    if (lock.packages[nested] !== undefined || lock.packages[top] !== undefined) continue;
    if (!/^\d/.test(range)) continue;
    const at = platform(name);
    if (at.os === undefined && at.cpu === undefined) continue;
    lock.packages[top] = { version: range, ...at, ...(entry.dev ? { dev: true } : {}), optional: true };
    added++;
  }
}
const root = lock.packages[""];
const rest = Object.entries(lock.packages)
  .filter(([place]) => place !== "")
  .sort(([a], [b]) => (a < b ? -1 : 1));
lock.packages = Object.fromEntries([["", root], ...rest]);
writeFileSync("package-lock.json", `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${added} entries added`);
