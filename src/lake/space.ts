import { statfs } from "node:fs/promises";
import path from "node:path";
import { LakeError } from "#kernel";
import { isRemote } from "#storage";
import type { Lake } from "./lake.js";

/** Space on a disk, in bytes. */
export interface Space {
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** What is left alone, so that manifests, logs and other programs still find room. */
  readonly reserveBytes: number;
}

const MOST_RESERVE_BYTES = 512 * 2 ** 20;
const RESERVE_SHARE = 0.05;

/** Space where `folder` is, or would be: its nearest existing parent counts. Undefined where the system cannot tell. */
export async function spaceAt(folder: string): Promise<Space | undefined> {
  for (let dir = path.resolve(folder); ; dir = path.dirname(dir)) {
    try {
      const { bavail, blocks, bsize } = await statfs(dir);
      const totalBytes = blocks * bsize;
      const reserveBytes = Math.min(MOST_RESERVE_BYTES, Math.floor(totalBytes * RESERVE_SHARE));
      return { totalBytes, freeBytes: bavail * bsize, reserveBytes };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || dir === path.dirname(dir)) return undefined;
    }
  }
}

const MIB = 2 ** 20;

/**
 * Fails with `lake/no-space` when `needBytes` more would not leave the reserve: better now than half way. `what` names the work in the
 * message ("this backup").
 */
export async function requireSpace(folder: string, needBytes: number, what: string): Promise<void> {
  // For file systems that grow on demand, and for tests of a disk that really is full.
  if (process.env["FHIR_LAKE_SPACE_CHECK"] === "off") return;
  const space = await spaceAt(folder);
  if (space === undefined || space.freeBytes - needBytes >= space.reserveBytes) return;
  const mib = (bytes: number): string => `${Math.ceil(bytes / MIB)} MiB`;
  throw new LakeError(
    "unavailable",
    "lake/no-space",
    `The disk is full, or would be with ${what}: about ${mib(needBytes)} are needed and ${mib(space.reserveBytes)} kept in reserve, ${mib(space.freeBytes)} are free; free space (fhir-lake vacuum) and run the command again, nothing was changed.`,
    { retryable: true, details: { needBytes, freeBytes: space.freeBytes, reserveBytes: space.reserveBytes } },
  );
}

/** {@link requireSpace} on the disk where the lake writes: its own folder, or the local staging of a remote one. */
export async function requireLakeSpace(lake: Lake, needBytes: number, what: string): Promise<void> {
  await requireSpace(isRemote(lake.store.location) ? lake.stagingRoot : lake.store.location, needBytes, what);
}
