import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** What one run of a side cost. Wall and CPU in seconds for the measured part, peak memory of the whole process in bytes. */
export interface Cost {
  readonly wall: number;
  readonly cpu: number;
  readonly peakRss: number;
  /** Facts that must agree between sides (row counts, checksums), or that explain a figure. */
  readonly facts: Readonly<Record<string, unknown>>;
}

/** In a side's own process: runs `work`, prints its cost as one JSON line. */
export async function reportCost(work: () => Promise<Record<string, unknown>>): Promise<void> {
  const cpuBefore = process.cpuUsage();
  const before = performance.now();
  const facts = await work();
  const wall = (performance.now() - before) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  const cost: Cost = {
    wall,
    cpu: (user + system) / 1e6,
    peakRss: process.resourceUsage().maxRSS * 1024,
    facts,
  };
  process.stdout.write(`${JSON.stringify(cost)}\n`);
}

/** Runs `benchmarks/sides/<side>.js` as a process of its own and answers its cost. */
export function runSide(side: string, args: readonly string[]): Promise<Cost> {
  const script = fileURLToPath(new URL(`./sides/${side}.js`, import.meta.url));
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    let out = "";
    child.stdout.on("data", (chunk) => (out += String(chunk)));
    child.on("close", (code) => {
      if (code !== 0) reject(new Error(`${side} ended with ${code}`));
      else resolve(JSON.parse(out.trim().split("\n").at(-1)!) as Cost);
    });
  });
}

/** The middle value; of an even number, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Median, least and greatest of repeated figures. */
export function spread(values: readonly number[]): { median: number; min: number; max: number } {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}
