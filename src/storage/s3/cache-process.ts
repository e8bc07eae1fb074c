import { readdir, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import path from "node:path";

const HEARTBEAT_MS = 30_000;
/** Younger heartbeats count as alive even when no such process is seen: it may run in another container with this host name. */
const SURELY_ALIVE_MS = 4 * HEARTBEAT_MS;
/** A process of another host is believed dead after this. */
const SURELY_DEAD_MS = 60 * 60_000;

/** Keeps the folder's time fresh, as a sign that its process lives, until the answer is called. */
export function startHeartbeat(folder: string): () => void {
  const timer = setInterval(() => {
    const now = new Date();
    utimes(folder, now, now).catch(() => undefined);
  }, HEARTBEAT_MS);
  timer.unref();
  return () => clearInterval(timer);
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs as somebody else.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** True when the process that made a folder of this name has ended. Of other hosts only silence tells. */
export function hasEnded(name: string, silentMs: number): boolean {
  const match = /^(.+)\.(\d+)\.[0-9a-f-]{36}$/.exec(name);
  if (match === null || silentMs < SURELY_ALIVE_MS) return false;
  return match[1] === hostname() ? !runs(Number(match[2])) : silentMs > SURELY_DEAD_MS;
}

/** Removes the folders of processes that have ended, with what they held. */
export async function removeEndedProcesses(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const dir = path.join(folder, name);
    const info = await stat(dir).catch(() => undefined);
    if (info === undefined || !hasEnded(name, Date.now() - info.mtimeMs)) continue;
    await rm(dir, { recursive: true, force: true }).catch(() => undefined);
  }
}
