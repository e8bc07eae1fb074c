import { LakeError } from "#kernel";
import type { Lake } from "../lake.js";
import { pins } from "../pins.js";
import { FileWriter } from "../publish.js";
import { REMOVED_MANIFESTS, readRemoved, recordRemoved } from "../removed.js";
import { decodeSnapshot, filesOf, type Snapshot, snapshotIdOf, snapshotKey } from "../snapshot.js";
import { requireLakeSpace } from "../space.js";
import { allDataFiles } from "./data-files.js";
import { forgetFindings } from "./find.js";
import { type ErasurePlan, planErasure } from "./plan.js";
import {
  type ErasureRequest,
  hashedKey,
  type MentionPolicy,
  newRequest,
  type ResourceName,
  readRequest,
  recordedErasures,
  recordOutcome,
  recordRequest,
} from "./request.js";
import { Rewriter } from "./rewrite.js";
import { type ScrubReport, scrub } from "./scrub.js";
import { TextMatch } from "./text-match.js";

/** Something outside the lake's own folders that holds the person too: the journal, published tables, a cache. */
export interface ErasureHook {
  /** Shown in reports. */
  readonly name: string;
  /**
   * Removes what belongs to the request; called once the lake's newest snapshot is clean, again when an interrupted erasure is completed.
   * `keys` are hashed keys of all erased resources. Gives how many things went.
   */
  erase(request: ErasureRequest, keys: ReadonlySet<string>): Promise<number>;
}

/** What an erasure removes, or has removed. */
export interface ErasureReport {
  readonly erasure: string;
  /** Resources by type, of all that is kept. */
  readonly resources: Readonly<Record<string, number>>;
  /** Resources that name the person without belonging to that person, by type. */
  readonly mentions: Readonly<Record<string, number>>;
  /** The snapshot without the person; null when the newest held nothing. */
  readonly snapshot: number | null;
  /** Older snapshots that held the person and can no longer be read. */
  readonly snapshotsGone: readonly number[];
  /** Names of pins on these. */
  readonly pinsGone: readonly string[];
  readonly filesRemoved: number;
  readonly elsewhere: ScrubReport;
  readonly hooks: Readonly<Record<string, number>>;
  readonly dryRun: boolean;
}

/** How to erase. */
export interface EraseOptions {
  readonly dryRun?: boolean;
  readonly hooks?: readonly ErasureHook[];
  readonly onProgress?: (what: string) => void;
}

/** Snapshots other than the newest that need any of these files. */
async function snapshotsWith(lake: Lake, files: ReadonlySet<string>, newest: number): Promise<number[]> {
  const found: number[] = [];
  for (const id of await lake.history.ids()) {
    if (id === newest) continue;
    if (filesOf(await lake.history.at(id)).some(({ key }) => files.has(key))) found.push(id);
  }
  return found;
}

/** Commits the newest state without the person; undefined when that state is clean and known to refuse the person already. */
async function commitErasure(lake: Lake, request: ErasureRequest): Promise<Snapshot | undefined> {
  return FileWriter.during(lake, (writer) =>
    writer.commit(async (head) => {
      if (head === undefined) return undefined;
      return lake.database.with(async (connection) => {
        const plan = await planErasure(lake, connection, head, filesOf(head), request);
        const listed = head.erasures?.includes(request.id) === true;
        if (plan.files.size === 0 && (listed || request.allowReturn)) return undefined;
        await requireSpaceFor(lake, head, plan);
        const { change, removed } = await new Rewriter(lake, connection, writer, plan).change(head);
        const erasures = [...(head.erasures ?? [])];
        if (!listed && !request.allowReturn) erasures.push(request.id);
        return {
          operation: { kind: "erase", erasure: request.id, removed },
          whole: true,
          sources: head.sources,
          erasures,
          ...change,
        };
      });
    }),
  );
}

async function requireSpaceFor(lake: Lake, head: Snapshot, plan: ErasurePlan): Promise<void> {
  const bytes = filesOf(head)
    .filter(({ key }) => plan.files.has(key))
    .reduce((sum, file) => sum + file.sizeBytes, 0);
  await requireLakeSpace(lake, bytes, "this erasure");
}

/** Takes snapshots out of the history for good and removes every file that holds the person. */
async function dropFiles(lake: Lake, dirty: ReadonlySet<string>, newest: Snapshot): Promise<number[]> {
  const clean = new Set(filesOf(newest).map(({ key }) => key));
  const held = [...dirty].find((key) => clean.has(key));
  if (held !== undefined) {
    throw new LakeError(
      "conflict",
      "lake/erasure-overtaken",
      `The file '${held}' was committed with an erased person while the erasure was under way; run fhir-lake erase --resume.`,
      { retryable: true },
    );
  }
  const gone = await snapshotsWith(lake, dirty, newest.id);
  if (gone.length > 0) await recordRemoved(lake.store, new Map(gone.map((id) => [id, "erasure" as const])));
  const removed = await readRemoved(lake.store);
  const manifests: string[] = [];
  for await (const { key } of lake.store.list("snapshots/")) {
    const id = snapshotIdOf(key);
    if (id !== undefined && removed.reasonOf(id) === "erasure") manifests.push(snapshotKey(id));
  }
  for await (const { key } of lake.store.list(REMOVED_MANIFESTS)) {
    const manifest = decodeSnapshot(await lake.store.get(key), key);
    if (filesOf(manifest).some((file) => dirty.has(file.key))) manifests.push(key);
  }
  if (manifests.length > 0) await lake.store.deleteMany(manifests);
  if (dirty.size > 0) await lake.store.deleteMany([...dirty]);
  return gone;
}

async function pinsOn(lake: Lake, snapshots: readonly number[]): Promise<string[]> {
  return (await pins(lake)).filter((pin) => snapshots.includes(pin.snapshot)).map((pin) => pin.name);
}

/** Who and what is to be erased. */
export interface ErasureWish {
  readonly patients: readonly ResourceName[];
  /** Single resources beyond the patients' own. */
  readonly resources: readonly ResourceName[];
  readonly mentions: MentionPolicy;
  readonly allowReturn: boolean;
}

/** What goes of everything there is, read without keeping local copies in use. */
function planOfAll(lake: Lake, head: Snapshot, request: ErasureRequest): Promise<ErasurePlan> {
  return lake.reading(() =>
    lake.database.with(async (connection) =>
      planErasure(lake, connection, head, await allDataFiles(lake), request),
    ),
  );
}

/** The request for a wish, with the keys of everything in the lake that belongs to it; nothing is recorded or changed yet. */
export async function prepareErasure(lake: Lake, wish: ErasureWish): Promise<ErasureRequest> {
  const named = [...wish.patients, ...wish.resources];
  const draft = newRequest(lake, {
    persons: wish.patients.map((person) => ({ source: person.source, key: hashedKey(person) })),
    keys: named.map(hashedKey),
    sources: [...new Set(named.map(({ source }) => source))],
    mentions: wish.mentions,
    allowReturn: wish.allowReturn,
  });
  const head = await lake.head();
  const plan = await planOfAll(lake, head, draft);
  return { ...draft, keys: [...plan.keys].sort() };
}

async function preview(lake: Lake, request: ErasureRequest): Promise<ErasureReport> {
  const plan = await planOfAll(lake, await lake.head(), request);
  const gone = await snapshotsWith(lake, plan.files, Number.NaN);
  return {
    erasure: request.id,
    resources: plan.versions,
    mentions: plan.mentions,
    snapshot: null,
    snapshotsGone: gone,
    pinsGone: await pinsOn(lake, gone),
    filesRemoved: plan.files.size,
    elsewhere: await scrub(lake, new TextMatch(request, plan.keys), true),
    hooks: {},
    dryRun: true,
  };
}

/** The files that hold the person now that the newest snapshot was written anew. */
function dirtyFiles(plan: ErasurePlan, newest: Snapshot): Set<string> {
  const own = new Set(filesOf(newest).map(({ key }) => key));
  return new Set([...plan.files].filter((key) => !(plan.doubtful.has(key) && own.has(key))));
}

/** Carries out a recorded request from wherever it stands. */
async function carryOut(lake: Lake, request: ErasureRequest, options: EraseOptions): Promise<ErasureReport> {
  options.onProgress?.("writing the newest snapshot anew");
  const made = await commitErasure(lake, request);
  const head = await lake.head();
  options.onProgress?.("looking through older files");
  const plan = await planOfAll(lake, head, request);
  const dirty = dirtyFiles(plan, head);
  const affected = await snapshotsWith(lake, dirty, head.id);
  const pinsGone = await pinsOn(lake, affected);
  await dropFiles(lake, dirty, head);
  options.onProgress?.("looking through landings, quarantine and downloads");
  const elsewhere = await scrub(lake, new TextMatch(request, plan.keys), false);
  const hooks: Record<string, number> = {};
  for (const hook of options.hooks ?? []) {
    options.onProgress?.(hook.name);
    hooks[hook.name] = await hook.erase(request, new Set([...request.keys, ...plan.keys]));
  }
  await recordOutcome(lake, request.id, {
    version: 1,
    finishedAt: lake.clock.now().toISOString(),
    snapshot: made?.id ?? null,
    snapshotsGone: affected,
    filesRemoved: dirty.size,
  });
  forgetFindings(lake, request);
  return {
    erasure: request.id,
    resources: plan.versions,
    mentions: plan.mentions,
    snapshot: made?.id ?? null,
    snapshotsGone: affected,
    pinsGone,
    filesRemoved: dirty.size,
    elsewhere,
    hooks,
    dryRun: false,
  };
}

/**
 * Removes persons and resources from everything the lake holds (ADR 0008): the newest state is committed anew without them, snapshots that
 * held them become unreadable, and every file, landing, quarantine record and download that names them is removed; then the hooks run. The
 * request is recorded first, so that {@link resumeErasures} completes it after any interruption. With `dryRun` nothing is changed.
 * Errors: `lake/empty`, `lake/no-space`, `lake/damaged-file`.
 */
export async function erase(
  lake: Lake,
  request: ErasureRequest,
  options: EraseOptions = {},
): Promise<ErasureReport> {
  if (options.dryRun === true) return preview(lake, request);
  await recordRequest(lake, request);
  return carryOut(lake, request, options);
}

/** Completes every erasure that was recorded but not finished, oldest first. */
export async function resumeErasures(lake: Lake, options: EraseOptions = {}): Promise<ErasureReport[]> {
  const reports: ErasureReport[] = [];
  for (const { request, outcome } of await recordedErasures(lake)) {
    if (outcome === undefined) reports.push(await carryOut(lake, request, options));
  }
  return reports;
}

/**
 * Lets persons of an erasure come back with later ingestions. Undefined when they may already. Errors: `lake/no-such-erasure`.
 */
export async function allowReturn(lake: Lake, id: string): Promise<Snapshot | undefined> {
  await readRequest(lake, id);
  return FileWriter.during(lake, (writer) =>
    writer.commit(async (head) => {
      if (head?.erasures?.includes(id) !== true) return undefined;
      return {
        operation: { kind: "allow-return", erasure: id },
        erasures: head.erasures.filter((other) => other !== id),
      };
    }),
  );
}
