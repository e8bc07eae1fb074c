import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmdirSync, statSync, utimesSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { packageRoot } from "#kernel";

const FOLDER = path.join(packageRoot(), "benchmarks", "hapi");
const JAR = path.join(FOLDER, "target", "hapi-launcher.jar");
/** Beside what is built: whoever could make it builds, the others wait. */
const LOCK = path.join(FOLDER, "building.lock");
/** A first build downloads for minutes; a lock older than this was left by a process that died. */
const STALE_MS = 20 * 60_000;

/** True when the launcher stands there as its sources are now. */
export function isLauncherBuilt(): boolean {
  const sources = readdirSync(path.join(FOLDER, "src"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
  const changed = Math.max(
    ...[path.join(FOLDER, "pom.xml"), ...sources].map((file) => statSync(file).mtimeMs),
  );
  return !existsSync(LOCK) && existsSync(JAR) && statSync(JAR).mtimeMs >= changed;
}

function takeLock(): boolean {
  try {
    mkdirSync(LOCK);
    return true;
  } catch {
    const since = statSync(LOCK, { throwIfNoEntry: false })?.mtimeMs;
    if (since !== undefined && Date.now() - since > STALE_MS) rmdirSync(LOCK);
    return false;
  }
}

/** The launcher of HAPI, built first where that was not done since its sources changed, by one process at a time. Answers its path. */
export async function builtLauncher(): Promise<string> {
  while (!isLauncherBuilt()) {
    if (!takeLock()) {
      await sleep(500);
      continue;
    }
    try {
      execFileSync("mvn", ["-q", "-B", "-ntp", "package"], { cwd: FOLDER, stdio: "inherit" });
      // Maven leaves a jar as it is whose contents have not changed.
      utimesSync(JAR, new Date(), new Date());
    } finally {
      rmdirSync(LOCK);
    }
  }
  return JAR;
}
