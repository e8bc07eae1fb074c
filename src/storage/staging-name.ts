import { randomUUID } from "node:crypto";
import { hostname } from "node:os";

const UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";
const NAME = new RegExp(`-p(\\d+)\\.([A-Za-z0-9-]*)-${UUID}$`);

function thisHost(): string {
  return hostname().replace(/[^A-Za-z0-9-]/g, "-");
}

/** A new name for a staging folder; it tells later whether whoever made it is still at work. */
export function stagingName(label: string): string {
  return `${label}-p${process.pid}.${thisHost()}-${randomUUID()}`;
}

/**
 * Whether the maker of a staging folder of that name is at work: `self` for this process, `ended` for a process of this host that is no more,
 * `elsewhere` when another host (or container) made it, of which nothing is known here. Names of unknown form count as `ended`.
 */
export function stagingOwner(name: string): "self" | "running" | "ended" | "elsewhere" {
  const match = NAME.exec(name);
  if (match === null) return "ended";
  if (match[2] !== thisHost()) return "elsewhere";
  const pid = Number(match[1]);
  if (pid === process.pid) return "self";
  try {
    process.kill(pid, 0);
    return "running";
  } catch (error) {
    // EPERM: it runs as somebody else.
    return (error as NodeJS.ErrnoException).code === "EPERM" ? "running" : "ended";
  }
}
