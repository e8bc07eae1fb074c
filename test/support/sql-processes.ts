import { readdirSync, readFileSync } from "node:fs";

/** A process that statements run in, started by this test. */
export interface SqlProcess {
  readonly pid: number;
  /** Seconds of processor time since it began. */
  readonly cpuSeconds: number;
}

const TICKS = 100;

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** Processes for SQL that this process has started and that have not ended. Works on Linux only. */
export function sqlProcesses(): SqlProcess[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const stat = read(`/proc/${name}/stat`);
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (fields[0] === "Z" || fields[1] !== String(process.pid)) return [];
      if (!read(`/proc/${name}/cmdline`).includes("sql/child/main.js")) return [];
      return [{ pid: Number(name), cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS }];
    });
}
