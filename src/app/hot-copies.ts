import { chmod, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { DISPENSABLE_LABEL, type Lake } from "#lake";
import { HotCopies, type HotCopiesOptions } from "#query";
import { stagingOwner } from "#storage";

/** How a server keeps copies; with `mostBytes` 0 it keeps none. */
export type HotCopiesSettings = Omit<HotCopiesOptions, "folder">;

/** Removes the folders of servers that were killed. */
async function sweep(staging: string): Promise<void> {
  for (const name of await readdir(staging)) {
    if (!name.startsWith(`${DISPENSABLE_LABEL}-`) || stagingOwner(name) !== "ended") continue;
    await rm(path.join(staging, name), { recursive: true, force: true });
  }
}

/** Copies of the lake's views that are asked for again and again, in a folder that only this user reads; undefined where none are wanted. */
export async function startHotCopies(
  lake: Lake,
  settings: HotCopiesSettings,
): Promise<HotCopies | undefined> {
  if (settings.mostBytes === 0) return undefined;
  const folder = await lake.store.stagingDirectory(DISPENSABLE_LABEL);
  await chmod(folder, 0o700);
  await sweep(path.dirname(folder));
  return new HotCopies({ ...settings, folder });
}
