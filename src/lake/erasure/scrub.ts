import { createReadStream } from "node:fs";
import { open, readdir, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { createGunzip } from "node:zlib";
import { isRemote, stagingOwner } from "#storage";
import type { Lake } from "../lake.js";
import type { TextMatch } from "./text-match.js";

/** What was removed beside tables and views. */
export interface ScrubReport {
  /** Keys or folders (relative to the lake) that were removed because they named an erased resource. */
  readonly removed: readonly string[];
  /** Quarantine files that lost records. */
  readonly rewritten: readonly string[];
  /** Staging folders of processes at work: they end with their process and were left alone. */
  readonly inUse: readonly string[];
}

async function isGzip(file: string): Promise<boolean> {
  const handle = await open(file, "r");
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
  } finally {
    await handle.close();
  }
}

/** Lines of a text file, unpacked when it is gzip; a packed file cut short gives what it holds. */
async function* linesOf(file: string): AsyncIterable<string> {
  const bytes = createReadStream(file);
  const input = (await isGzip(file)) ? bytes.pipe(createGunzip()) : bytes;
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  try {
    yield* lines;
  } catch {
    return;
  } finally {
    bytes.destroy();
  }
}

/** The refused text within a line of the quarantine, which stands there escaped or encoded. */
function quarantinedText(line: string): string {
  try {
    const { text, base64 } = JSON.parse(line) as { text?: string; base64?: string };
    return text ?? (base64 === undefined ? line : Buffer.from(base64, "base64").toString("utf8"));
  } catch {
    return line;
  }
}

async function names(file: string, match: TextMatch): Promise<boolean> {
  for await (const line of linesOf(file)) if (match.test(line)) return true;
  return false;
}

/** Quarantine records that name the erased are left out of a new file that takes the old one's place. */
async function scrubQuarantine(lake: Lake, match: TextMatch, dryRun: boolean): Promise<string[]> {
  const rewritten: string[] = [];
  for await (const { key } of lake.store.list("quarantine/")) {
    const lines = Buffer.from(await lake.store.get(key))
      .toString("utf8")
      .split("\n")
      .filter(Boolean);
    const kept = lines.filter((line) => !match.test(quarantinedText(line)));
    if (kept.length === lines.length) continue;
    rewritten.push(key);
    if (dryRun) continue;
    if (kept.length > 0) await replaceQuarantine(lake, key, kept);
    await lake.store.delete(key);
  }
  return rewritten;
}

async function replaceQuarantine(lake: Lake, key: string, lines: readonly string[]): Promise<void> {
  const staging = await lake.store.stagingDirectory("quarantine");
  try {
    const [stem = key, times] = key.replace(/\.ndjson$/, "").split(".");
    const next = `${stem}.${Number(times ?? 0) + 1}.ndjson`;
    const file = path.join(staging, "kept.ndjson");
    await writeFile(file, `${lines.join("\n")}\n`);
    await lake.store.publish(file, next);
    await lake.store.makeDurable([next]);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** {@link names} of an object, of which no local copy stays in use. */
async function objectNames(lake: Lake, key: string, match: TextMatch): Promise<boolean> {
  const hold = lake.store.hold();
  try {
    return await names(await hold.localPath(key), match);
  } finally {
    await hold.release();
  }
}

/** Small records and exports: one that names the erased goes as a whole. */
async function scrubObjects(lake: Lake, match: TextMatch, dryRun: boolean): Promise<string[]> {
  const removed: string[] = [];
  for (const folder of ["landing/", "runs/", "exports/"]) {
    for await (const { key } of lake.store.list(folder)) {
      if (!(await objectNames(lake, key, match))) continue;
      removed.push(key);
      if (!dryRun) await lake.store.delete(key);
    }
  }
  return removed;
}

async function filesBelow(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true, recursive: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
}

/** Downloads under way: a folder in which any file names the erased goes as a whole, so that its client starts over. */
async function scrubWork(lake: Lake, match: TextMatch, dryRun: boolean): Promise<string[]> {
  const root = path.dirname(await lake.store.workDirectory("erasure"));
  await rm(path.join(root, "erasure"), { recursive: true, force: true });
  const removed: string[] = [];
  for (const entry of await readdir(root, { withFileTypes: true }).catch(() => [])) {
    if (!entry.isDirectory()) continue;
    for (const file of await filesBelow(path.join(root, entry.name))) {
      if (!(await names(file, match))) continue;
      removed.push(`work/${entry.name}`);
      if (!dryRun) await rm(path.join(root, entry.name), { recursive: true, force: true });
      break;
    }
  }
  return removed;
}

/** Folders of other hosts are believed to be in use until they are this old. */
const SURELY_LEFT_MS = 86_400_000;

/** True when a folder in staging is of no use to anybody any more. */
async function isLeft(dir: string, name: string): Promise<boolean> {
  const owner = stagingOwner(name);
  if (owner !== "elsewhere") return owner === "ended";
  const info = await stat(dir).catch(() => undefined);
  return info !== undefined && Date.now() - info.mtimeMs > SURELY_LEFT_MS;
}

/** Begins the names of staging folders whose files their maker can do without: whoever has a reason may remove these at any time. */
export const DISPENSABLE_LABEL = "copies";

/** Removes the files of a folder, which stays; true when there were any. */
async function emptied(dir: string, dryRun: boolean): Promise<boolean> {
  const files = await filesBelow(dir);
  if (!dryRun) for (const file of files) await rm(file, { force: true });
  return files.length > 0;
}

/** Folders that ended processes left in staging go, and files that living ones can do without; those in use are named. */
async function scrubStaging(lake: Lake, dryRun: boolean): Promise<{ removed: string[]; inUse: string[] }> {
  const removed: string[] = [];
  const inUse: string[] = [];
  // The staging of a remote lake belongs to one process and goes with it.
  if (isRemote(lake.store.location)) return { removed, inUse };
  const root = path.dirname(lake.stagingRoot);
  for (const entry of await readdir(root, { withFileTypes: true }).catch(() => [])) {
    const key = `staging/${entry.name}`;
    if (!entry.isDirectory() || lake.isOwn(key)) continue;
    if (!(await isLeft(path.join(root, entry.name), entry.name))) {
      if (entry.name.startsWith(`${DISPENSABLE_LABEL}-`)) {
        if (await emptied(path.join(root, entry.name), dryRun)) removed.push(key);
        continue;
      }
      // An empty folder of an idle process holds nobody.
      const used = (await filesBelow(path.join(root, entry.name))).length > 0;
      if (used && stagingOwner(entry.name) !== "self") inUse.push(key);
      continue;
    }
    removed.push(key);
    if (!dryRun) await rm(path.join(root, entry.name), { recursive: true, force: true });
  }
  return { removed, inUse };
}

/** Removes what names the erased from quarantine, landings, downloads, run records, exports and what ended processes left in staging. */
export async function scrub(lake: Lake, match: TextMatch, dryRun: boolean): Promise<ScrubReport> {
  const rewritten = await scrubQuarantine(lake, match, dryRun);
  const objects = await scrubObjects(lake, match, dryRun);
  const work = await scrubWork(lake, match, dryRun);
  const staging = await scrubStaging(lake, dryRun);
  return { removed: [...objects, ...work, ...staging.removed], rewritten, inUse: staging.inUse };
}
