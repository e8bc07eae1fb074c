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
  /** Of the minute before and of the last minute: more than the cores means that others were at work, and walls are too long by that. */
  readonly loadBefore: number;
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

/** The last minute's load, rounded to tenths. */
export function load(): number {
  return Math.round(loadavg()[0]! * 10) / 10;
}

/** Above this load something else takes processor time: a scenario begins with nothing of its own running. */
export const QUIET = 1;

/** Waits until the last minute's load is quiet; not for ever, since other people's work may go on for hours. */
export async function calm(mostMs = 90_000): Promise<void> {
  const deadline = performance.now() + mostMs;
  while (load() > QUIET && performance.now() < deadline) await sleep(2000);
}

/** This machine and the versions in use, now. */
export function machine(loadBefore: number): Machine {
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
    loadBefore,
    loadAfter: load(),
  };
}
