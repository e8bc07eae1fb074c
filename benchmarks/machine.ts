import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, loadavg, platform, release, totalmem } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { packageRoot } from "#kernel";

/** Where and with what figures were measured. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  /** As the system calls itself, for example `Debian GNU/Linux 12 (bookworm)`; empty where it does not tell. */
  readonly distribution: string;
  readonly node: string;
  readonly duckdb: string;
  readonly fhirLake: string;
  /** Commit of the sources, with `+` when they were changed since; empty outside a repository. */
  readonly commit: string;
  readonly date: string;
  /** Share of all processors at work just before the start, 0 to 1: a scenario begins with nothing of its own running. */
  readonly busyBefore: number;
  /** Of the last minute in the end. */
  readonly loadAfter: number;
}

function git(...args: readonly string[]): string {
  try {
    return execFileSync("git", args, { cwd: packageRoot(), encoding: "utf8", stdio: "pipe" }).trim();
  } catch {
    return "";
  }
}

function commit(): string {
  const id = git("rev-parse", "--short=12", "HEAD");
  const changed = git("status", "--porcelain", "--", ":!benchmarks/results", ":!docs", ":!README.md");
  return id === "" ? "" : `${id}${changed === "" ? "" : "+"}`;
}

function version(file: string): string {
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

function distribution(): string {
  try {
    return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "";
  } catch {
    return "";
  }
}

/** Milliseconds that all processors together were at work, and in all, since the machine started. */
function processorTime(): { readonly work: number; readonly all: number } {
  let [work, all] = [0, 0];
  for (const { times } of cpus()) {
    const sum = Object.values(times).reduce((total, one) => total + one, 0);
    all += sum;
    work += sum - times.idle;
  }
  return { work, all };
}

/** Share of all processors at work over the next moments, 0 to 1, rounded to hundredths. */
export async function busyShare(ms: number): Promise<number> {
  const before = processorTime();
  await sleep(ms);
  const after = processorTime();
  const share = (after.work - before.work) / Math.max(1, after.all - before.all);
  return Math.round(share * 100) / 100;
}

/** This machine and the versions in use, now. */
export function machine(busyBefore: number): Machine {
  const require = createRequire(import.meta.url);
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    system: `${platform()} ${release()}`,
    distribution: distribution(),
    node: process.version,
    duckdb: version(require.resolve("@duckdb/node-api/package.json")),
    fhirLake: version(path.join(packageRoot(), "package.json")),
    commit: commit(),
    date: new Date().toISOString().slice(0, 10),
    busyBefore,
    loadAfter: Math.round(loadavg()[0]! * 10) / 10,
  };
}
