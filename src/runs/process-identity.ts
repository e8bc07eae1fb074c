import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** Which process holds something; told to people and used to notice that it has died. */
export interface ProcessIdentity {
  readonly host: string;
  readonly pid: number;
  /** Boot of the machine and process namespace: process numbers mean something within it only. Empty where unknown. */
  readonly space: string;
  /** When the process began, in the machine's own ticks; tells it from a later one of the same number. Empty where unknown. */
  readonly began: string;
}

function attempt(read: () => string): string {
  try {
    return read().trim();
  } catch {
    return "";
  }
}

/** Field 22 of /proc/<pid>/stat; the name in field 2 may hold anything, so fields are counted from its end. */
function beginOf(pid: number): string {
  return attempt(() => {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  });
}

/** This process. */
export function thisProcess(): ProcessIdentity {
  const boot = attempt(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8"));
  const namespace = attempt(() => readlinkSync("/proc/self/ns/pid"));
  const space = boot === "" || namespace === "" ? "" : `${boot} ${namespace}`;
  return { host: hostname(), pid: process.pid, space, began: beginOf(process.pid) };
}

/**
 * True only when the process is known to have ended: it was one of this machine (and container), and its number is free or belongs to
 * a process that began at another time. Never true for a process elsewhere.
 */
export function hasEnded(other: ProcessIdentity): boolean {
  const own = thisProcess();
  if (other.host !== own.host || other.space !== own.space || own.space === "") return false;
  try {
    process.kill(other.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return true;
  }
  const began = beginOf(other.pid);
  return began !== "" && other.began !== "" && began !== other.began;
}
