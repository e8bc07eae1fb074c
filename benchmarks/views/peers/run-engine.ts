import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { cpuOf } from "../../direct/server-cpu.js";

/** A program that evaluates a view over NDJSON: `<command> <args> VIEW INPUT OUTPUT RUNS`, with a line of JSON per event. */
export interface Engine {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Only a part of the resources are given to it, so that it ends: 100 means the first hundredth of the file. */
  readonly share?: number;
  /** Evaluations after the first one that count neither as cold nor as warm; {@link WARM_UPS} without. */
  readonly warmUps?: number;
  /** Its start takes longer than all else of a small evaluation, so that nothing is learnt from it again and again. */
  readonly isSlowToStart?: boolean;
}

/** Programs that are compiled while they run, or keep what they have read, need a few evaluations to become what they are later. */
const WARM_UPS = 2;

/** An engine that could not evaluate a view, or not rightly. */
export class EngineFailure extends Error {
  /** What it says, one line. */
  readonly reason: string;

  constructor(engine: string, reason: string, code?: number | null) {
    super(`${engine}${code === undefined ? "" : ` ended with ${String(code)}`}: ${reason}`);
    this.reason = reason;
  }
}

/** What one process of an engine cost. */
export interface EngineCost {
  readonly version: string;
  /** From the start of the process to the end of its first evaluation, seconds. */
  readonly cold: number;
  readonly coldCpu: number;
  /** One later evaluation in the same process, seconds; not a number when there was none. */
  readonly warm: number;
  readonly warmCpu: number;
  /** Greatest resident memory of the process and those below it, bytes. */
  readonly peakRss: number;
}

interface Event {
  readonly event: "ready" | "run";
  readonly version?: string;
  readonly wall?: number;
}

function peakOf(pid: number): number {
  try {
    const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, "utf8")
        .trim()
        .split(" ")
        .filter(Boolean)
        .map(Number),
    );
    const own = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Number(own ?? 0) * 1024 + children.reduce((sum, child) => sum + peakOf(child), 0);
  } catch {
    return 0;
  }
}

/** The line of what a program wrote to stderr that says why it failed: the last one that begins with an error's name, or the last of all. */
function reasonIn(complaint: string): string {
  const lines = complaint
    .split("\n")
    .filter((line) => line.trim() !== "" && !/^(Node\.js v|\(Use `node )/.test(line));
  const reason =
    lines.findLast((line) => /^\W*(Caused by: )?[\w.\s]*(Error|Exception): /.test(line)) ??
    lines.at(-1) ??
    "";
  return reason
    .trim()
    .replace(/^\W*(Error: )*/, "")
    .slice(0, 300);
}

/**
 * Runs an engine in a process of its own for a first evaluation, its warm-ups, and so many later ones that count as warm; without later
 * ones there are no warm-ups either.
 *
 * @throws EngineFailure with the reason that it wrote to stderr.
 */
export async function runEngine(
  engine: Engine,
  files: readonly string[],
  later: number,
  rest: readonly string[] = [],
): Promise<EngineCost> {
  const total = later === 0 ? 1 : 1 + (engine.warmUps ?? WARM_UPS) + later;
  const child = spawn(engine.command, [...engine.args, ...files, String(total), ...rest], {
    env: { ...process.env, ...engine.environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let complaint = "";
  child.stderr.on("data", (chunk) => {
    complaint = `${complaint}${String(chunk)}`.slice(-8000);
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const started = performance.now();
  const pid = child.pid!;
  let peakRss = 0;
  const watch = setInterval(() => {
    peakRss = Math.max(peakRss, peakOf(pid));
  }, 50);
  let version = engine.name;
  const runs: { wall: number; at: number; cpu: number }[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith('{"event"')) continue;
    const event = JSON.parse(line) as Event;
    const cpu = cpuOf([pid]) ?? Number.NaN;
    peakRss = Math.max(peakRss, peakOf(pid));
    if (event.event === "ready") version = event.version || engine.name;
    else runs.push({ wall: event.wall!, at: (performance.now() - started) / 1000, cpu });
  }
  const code = await ended;
  clearInterval(watch);
  if (code !== 0 || runs.length < total) throw new EngineFailure(engine.name, reasonIn(complaint), code);
  const first = runs[0]!;
  const warm = runs.slice(total - later);
  const cpuBefore = runs[total - later - 1]!.cpu;
  return {
    version,
    cold: first.at,
    coldCpu: first.cpu,
    warm: warm.reduce((sum, run) => sum + run.wall, 0) / later,
    warmCpu: (runs.at(-1)!.cpu - cpuBefore) / later,
    peakRss,
  };
}
