import { createHash } from "node:crypto";
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import path from "node:path";
import { LakeError } from "#kernel";
import { storageFailure, syncDirectory } from "#storage";
import type { Downloaded, DownloadInspector } from "./settings.js";

/** A failure of the disk as ours; failures of the body pass. */
async function onDisk<T>(place: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof LakeError) throw error;
    throw storageFailure("write", place, error);
  }
}

async function writeAll(handle: FileHandle, chunk: Buffer): Promise<void> {
  for (let at = 0; at < chunk.length; ) {
    at += (await handle.write(chunk, at, chunk.length - at)).bytesWritten;
  }
}

/**
 * Writes a body to `target.part`, and when it is complete, inspected and synced, renames it to `target`. A failure
 * removes the part.
 */
export async function receiveFile(
  body: AsyncGenerator<Buffer>,
  target: string,
  inspector: DownloadInspector | undefined,
): Promise<Omit<Downloaded, "headers">> {
  const part = `${target}.part`;
  const hash = createHash("sha256");
  let sizeBytes = 0;
  await onDisk(target, () => mkdir(path.dirname(target), { recursive: true }));
  const handle = await onDisk(part, () => open(part, "w"));
  try {
    try {
      for await (const chunk of body) {
        hash.update(chunk);
        inspector?.write(chunk);
        sizeBytes += chunk.length;
        await onDisk(part, () => writeAll(handle, chunk));
      }
      inspector?.end();
      await onDisk(part, () => handle.sync());
    } finally {
      await handle.close();
    }
    await onDisk(target, async () => {
      await rename(part, target);
      await syncDirectory(path.dirname(target));
    });
  } catch (error) {
    await rm(part, { force: true }).catch(() => undefined);
    throw error;
  }
  return { sizeBytes, sha256: hash.digest("hex") };
}
