import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Figure } from "./scenario.js";

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

/** The middle of repeated figures and how sure it is. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** Both ends of the rank interval of the median. */
  readonly low: number;
  readonly high: number;
  /** Chance that the rank interval holds the true median: at least 0.95 where six or more repeats allow it. */
  readonly coverage: number;
  readonly repeats: number;
}

/** Chance that at most `most` of `count` fair coins show heads. */
function coins(count: number, most: number): number {
  let term = 0.5 ** count;
  let sum = 0;
  for (let heads = 0; heads <= most; heads++) {
    sum += term;
    term *= (count - heads) / (heads + 1);
  }
  return sum;
}

/**
 * Median of repeated figures with its rank interval: the k-th least and the k-th greatest figure, k as large as still holds the true
 * median with a chance of 95 %, whatever the distribution; fewer than six repeats cannot reach that, and give least and greatest.
 */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const repeats = sorted.length;
  const chance = (rank: number): number => Math.max(0, 1 - 2 * coins(repeats, rank - 1));
  let rank = 1;
  while (rank + 1 <= (repeats + 1) / 2 && chance(rank + 1) >= 0.95) rank++;
  return {
    median: median(values),
    min: sorted[0]!,
    max: sorted[repeats - 1]!,
    low: sorted[rank - 1]!,
    high: sorted[repeats - rank]!,
    coverage: chance(rank),
    repeats,
  };
}

/** A figure of repeated values: their median with its interval. */
export function repeated(name: string, unit: string, values: readonly number[], bar?: string): Figure {
  const { median: value, ...rest } = spread(values);
  return { name, value, unit, ...rest, ...(bar === undefined ? {} : { bar }) };
}

/**
 * Runs several sides so many times, one after the other within each turn, and every second turn in the opposite order, so that whatever
 * else the machine does meets all of them alike. `warmUps` turns before those are run and forgotten: they fill the file cache.
 */
export async function interleaved<Name extends string, Result>(
  sides: Readonly<Record<Name, (turn: number) => Promise<Result>>>,
  { repeats, warmUps = 1 }: { readonly repeats: number; readonly warmUps?: number },
): Promise<Record<Name, Result[]>> {
  const names = Object.keys(sides) as Name[];
  const results = Object.fromEntries(names.map((name) => [name, [] as Result[]])) as Record<Name, Result[]>;
  for (let turn = -warmUps; turn < repeats; turn++) {
    for (const name of turn % 2 === 0 ? names : [...names].reverse()) {
      const result = await sides[name](turn);
      if (turn >= 0) results[name].push(result);
    }
  }
  return results;
}

/** Quotients of paired figures. */
export function ratios(above: readonly number[], below: readonly number[]): number[] {
  return above.map((value, index) => value / below[index]!);
}
