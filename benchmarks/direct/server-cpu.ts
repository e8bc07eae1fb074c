import { readdirSync, readFileSync } from "node:fs";

/** Clock ticks a second in /proc: fixed at 100 for what Linux shows to programs. */
const TICKS = 100;

interface Stat {
  readonly parent: number;
  /** Seconds of this process, and of its children that have ended and were waited for. */
  readonly own: number;
  readonly ended: number;
}

function stat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is a name in parentheses that may hold anything.
    const fields = text
      .slice(text.lastIndexOf(")") + 2)
      .split(" ")
      .map(Number);
    return {
      parent: fields[1]!,
      own: (fields[11]! + fields[12]!) / TICKS,
      ended: (fields[13]! + fields[14]!) / TICKS,
    };
  } catch {
    return undefined;
  }
}

/** All processes below some, themselves included. */
function tree(roots: readonly number[]): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const found = stat(Number(name));
    if (found === undefined) continue;
    children.set(found.parent, [...(children.get(found.parent) ?? []), Number(name)]);
  }
  const all = [...roots];
  for (const pid of all) all.push(...(children.get(pid) ?? []));
  return all;
}

/** Processor time that processes and everything below them have used so far, seconds; undefined without /proc or without processes. */
export function cpuOf(roots: readonly number[]): number | undefined {
  if (roots.length === 0 || stat(roots[0]!) === undefined) return undefined;
  let sum = 0;
  for (const pid of tree(roots)) {
    const found = stat(pid);
    sum += (found?.own ?? 0) + (found?.ended ?? 0);
  }
  return sum;
}

/** Resident memory of processes and everything below them, bytes: their own, and once what they share, such as a database's buffers. */
export function memoryOf(roots: readonly number[]): number {
  let own = 0;
  let shared = 0;
  for (const pid of tree(roots)) {
    try {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      own += Number(/RssAnon:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
      shared = Math.max(shared, Number(/RssShmem:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024);
    } catch {
      // Ended in between.
    }
  }
  return own + shared;
}
