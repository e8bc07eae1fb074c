import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

async function syncAndClose(handle: FileHandle): Promise<void> {
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Forces a file's bytes to the disk. */
export async function syncFile(file: string): Promise<void> {
  await syncAndClose(await open(file, "r+"));
}

/** Forces a folder's entries (names of new, renamed or linked files) to the disk. */
export async function syncDirectory(dir: string): Promise<void> {
  // Windows cannot open a folder; its file systems journal names by themselves.
  if (process.platform === "win32") return;
  await syncAndClose(await open(dir, "r"));
}

/** Writes a new file and forces it to the disk. Fails when the file exists. */
export async function writeNewFileSynced(file: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(file, "wx");
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Size in bytes and lowercase hex SHA-256 of a file, read as a stream. */
export async function hashFile(file: string): Promise<{ sizeBytes: number; sha256: string }> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) {
    hash.update(chunk as Buffer);
    sizeBytes += (chunk as Buffer).length;
  }
  return { sizeBytes, sha256: hash.digest("hex") };
}
