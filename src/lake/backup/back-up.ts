import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { LakeError, mapConcurrently } from "#kernel";
import { type FileDigest, hashFile, isRemote, type ObjectStore } from "#storage";
import { toolVersion } from "../commit.js";
import type { Lake } from "../lake.js";
import { pin, unpin } from "../pins.js";
import { requireSpace } from "../space.js";
import { type BackupContents, backupContents, storedContent, storedFile } from "./contents.js";
import { copyObject, digestOf, putCopy, sameDigest } from "./copy.js";
import {
  type BackedUpExtra,
  type BackupGeneration,
  commitGeneration,
  generations,
  readGeneration,
} from "./generation.js";

/** A file to be kept with the lake; it must not change while it is copied. */
export interface ExtraFile {
  /** By this name it is given back on restore. */
  readonly name: string;
  readonly path: string;
}

/** How to back up. */
export interface BackupOptions {
  /** Only the newest snapshot, instead of all that are kept. */
  readonly newestOnly?: boolean;
  /**
   * Asked for after the snapshots were chosen, so that a copy of the journal holds at least what they cover.
   */
  readonly extras?: () => Promise<readonly ExtraFile[]>;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  readonly signal?: AbortSignal;
}

/** What a backup did. */
export interface BackupReport {
  readonly generation: number;
  readonly snapshots: readonly number[];
  readonly objects: number;
  readonly bytes: number;
  /** What the target lacked. */
  readonly copiedObjects: number;
  readonly copiedBytes: number;
  readonly extras: readonly string[];
}

/** Copies at once; more would only make the disk seek. */
const SIDE_BY_SIDE = 3;
const PIN_MS = 7 * 86_400_000;

interface Piece extends FileDigest {
  readonly stored: string;
  /** Where it comes from: a data file of the lake, bytes at hand, or a local file. */
  readonly from: { readonly file: string } | { readonly bytes: Uint8Array } | { readonly local: string };
}

async function previous(target: ObjectStore): Promise<BackupGeneration | undefined> {
  const newest = (await generations(target)).at(-1);
  return newest === undefined ? undefined : readGeneration(target, newest);
}

/** Fails when the target holds another lake, or a course of events that this lake did not take. */
function checkSameHistory(
  before: BackupGeneration | undefined,
  contents: BackupContents,
  target: ObjectStore,
): void {
  if (before === undefined) return;
  const known = new Map(before.snapshots.map(({ id, commitId }) => [id, commitId]));
  const differs = contents.snapshots.some((s) => (known.get(s.id) ?? s.commitId) !== s.commitId);
  const newest = contents.snapshots.at(-1)?.id ?? 0;
  if (!differs && newest >= (before.snapshots.at(-1)?.id ?? 0)) return;
  throw new LakeError(
    "conflict",
    "lake/other-history",
    `'${target.location}' holds backups of another lake, or of snapshots that this lake no longer has; back up to an empty place.`,
    { details: { target: target.location } },
  );
}

function piecesOf(contents: BackupContents, extras: readonly (BackedUpExtra & { path: string })[]): Piece[] {
  const pieces = new Map<string, Piece>();
  for (const { key, sizeBytes, sha256 } of contents.files) {
    pieces.set(storedFile(key), { stored: storedFile(key), sizeBytes, sha256, from: { file: key } });
  }
  for (const { object, bytes } of contents.records) {
    const { stored, sizeBytes, sha256 } = object;
    pieces.set(stored, { stored, sizeBytes, sha256, from: { bytes } });
  }
  for (const { stored, sizeBytes, sha256, path } of extras) {
    pieces.set(stored, { stored, sizeBytes, sha256, from: { local: path } });
  }
  return [...pieces.values()];
}

/** The pieces that the target lacks. What no complete backup names may be half written and is read again before it counts. */
async function lacking(
  target: ObjectStore,
  pieces: readonly Piece[],
  before: BackupGeneration | undefined,
): Promise<Piece[]> {
  const present = new Map<string, number>();
  for (const folder of ["objects/", "content/"]) {
    for await (const { key, sizeBytes } of target.list(folder)) present.set(key, sizeBytes);
  }
  const trusted = new Set([...(before?.objects ?? []), ...(before?.extras ?? [])].map((o) => o.stored));
  const missing = await mapConcurrently(pieces, SIDE_BY_SIDE, async (piece) => {
    if (present.get(piece.stored) !== undefined) {
      if (present.get(piece.stored) === piece.sizeBytes && trusted.has(piece.stored)) return [];
      const found = await digestOf(target, piece.stored);
      if (found !== undefined && sameDigest(found, piece)) return [];
      await target.delete(piece.stored);
    }
    return [piece];
  });
  return missing.flat();
}

class BackupRun {
  private readonly lake: Lake;
  private readonly target: ObjectStore;
  private readonly staging: string;
  private readonly options: BackupOptions;
  readonly damaged: string[] = [];
  copiedBytes = 0;

  constructor(lake: Lake, target: ObjectStore, staging: string, options: BackupOptions) {
    this.lake = lake;
    this.target = target;
    this.staging = staging;
    this.options = options;
  }

  async copyAll(pieces: readonly Piece[]): Promise<void> {
    const total = pieces.reduce((sum, piece) => sum + piece.sizeBytes, 0);
    if (!isRemote(this.target.location)) await requireSpace(this.staging, total, "this backup");
    await mapConcurrently(pieces, SIDE_BY_SIDE, async (piece) => {
      this.options.signal?.throwIfAborted();
      if (!(await this.copy(piece))) this.damaged.push("file" in piece.from ? piece.from.file : piece.stored);
      else this.copiedBytes += piece.sizeBytes;
      this.options.onProgress?.(this.copiedBytes, total);
    });
  }

  private async copy(piece: Piece): Promise<boolean> {
    const { from, stored } = piece;
    if ("bytes" in from) {
      await this.target.putIfAbsent(stored, from.bytes);
      const arrived = await digestOf(this.target, stored);
      return arrived !== undefined && sameDigest(arrived, piece);
    }
    if ("local" in from) return putCopy(from.local, this.target, stored, piece, this.staging);
    const to = { store: this.target, key: stored, staging: this.staging };
    return copyObject({ store: this.lake.store, key: from.file }, to, piece);
  }
}

/** Fails when files of the lake itself were not what its snapshots say. */
async function checkDamage(lake: Lake, contents: BackupContents, damaged: readonly string[]): Promise<void> {
  if (damaged.length === 0) return;
  throw new LakeError(
    "corrupt-data",
    "lake/damaged-file",
    `${damaged.length} files of the lake are missing or damaged, for example '${damaged[0]}'; no backup was made. Run fhir-lake verify, then fhir-lake restore --from <backup> --repair.`,
    {
      details: {
        keys: damaged.slice(0, 100),
        snapshots: contents.snapshots.length,
        lake: lake.store.location,
      },
    },
  );
}

async function describedExtras(options: BackupOptions): Promise<(BackedUpExtra & { path: string })[]> {
  const files = (await options.extras?.()) ?? [];
  return mapConcurrently(files, SIDE_BY_SIDE, async ({ name, path }) => {
    const digest = await hashFile(path);
    return { name, path, stored: storedContent(digest.sha256), ...digest };
  });
}

/**
 * Copies what the target lacks of all kept snapshots and commits it as one backup. Writers may be at work: snapshots are immutable. Every
 * copied object is read back. Cut short at any moment it leaves no backup behind but what it copied is used by the next run.
 * Errors: `lake/damaged-file` when the lake itself is damaged, `lake/other-history`, `lake/no-space`, `lake/empty`.
 */
export async function backUp(
  lake: Lake,
  target: ObjectStore,
  options: BackupOptions = {},
): Promise<BackupReport> {
  const head = await lake.head();
  const name = `backup-${randomUUID()}`;
  await pin(lake, { name, snapshot: head.id, lifetimeMs: PIN_MS });
  const staging = await target.stagingDirectory(`backup-${process.pid}`);
  try {
    const ids = (await lake.history.ids()).filter((id) => id <= head.id);
    const contents = await backupContents(lake, options.newestOnly === true ? [head.id] : ids);
    const own = `pins/${name}.json`;
    const kept = { ...contents, records: contents.records.filter(({ object }) => object.key !== own) };
    const before = await previous(target);
    checkSameHistory(before, kept, target);
    const extras = await describedExtras(options);
    const pieces = piecesOf(kept, extras);
    const missing = await lacking(target, pieces, before);
    const run = new BackupRun(lake, target, staging, options);
    await run.copyAll(missing);
    await checkDamage(lake, kept, run.damaged);
    const files = kept.files.map(({ key, sizeBytes, sha256 }) => ({
      key,
      stored: storedFile(key),
      sizeBytes,
      sha256,
    }));
    const generation = await commitGeneration(target, {
      createdAt: lake.clock.now().toISOString(),
      tool: toolVersion(),
      snapshots: kept.snapshots.map(({ id, commitId }) => ({ id, commitId })),
      objects: [...files, ...kept.records.map(({ object }) => object)],
      extras: extras.map(({ name: extra, stored, sizeBytes, sha256 }) => ({
        name: extra,
        stored,
        sizeBytes,
        sha256,
      })),
      erasures: head.erasures ?? [],
    });
    return {
      generation: generation.sequence,
      snapshots: generation.snapshots.map(({ id }) => id),
      objects: pieces.length,
      bytes: pieces.reduce((sum, piece) => sum + piece.sizeBytes, 0),
      copiedObjects: missing.length,
      copiedBytes: run.copiedBytes,
      extras: generation.extras.map((extra) => extra.name),
    };
  } finally {
    await unpin(lake, name).catch(() => undefined);
    await rm(staging, { recursive: true, force: true });
  }
}
