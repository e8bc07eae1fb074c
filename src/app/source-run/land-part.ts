import { writeFile } from "node:fs/promises";
import path from "node:path";
import { durationMs } from "#config";
import type { FetchedBatch } from "#ingestion";
import { coverageWentBack, type SourceStateChange } from "#lake";
import type { LandingManifest } from "#landing";
import type { RunType } from "#runs";
import { crashPoint } from "#storage";
import { type LandedFiles, landFiles } from "../land-files.js";
import { type Assignment, goesOnFrom, type Part } from "./assignment.js";
import type { RunAtWork } from "./context.js";
import { isComplete, landingInputs } from "./fetch-part.js";
import { type FoundDeletes, foundDeletes } from "./found-deletes.js";
import { requestHash } from "./source.js";
import { withVersionedDeletes } from "./versioned-deletes.js";

/** What became of a part. */
export interface LandedPart {
  readonly types: Readonly<Record<string, RunType>>;
  readonly snapshot: number | undefined;
  readonly warnings: readonly string[];
  /** True when something waits for a decision or came incomplete. */
  readonly incomplete: boolean;
  /** Those that it was committed with. */
  readonly watermarks: Readonly<Record<string, string>>;
}

/** What the part brings: watermarks of its types that came complete. */
function ownWatermarks(batch: FetchedBatch, part: Part): Record<string, string> {
  const complete = part.types.filter((type) => isComplete(batch, type));
  return Object.fromEntries(
    complete.map((type) => [type, batch.watermarks?.[type] ?? batch.transactionTime]),
  );
}

/** Refused pieces by type of the file they came in; those of mixed files under the empty name. */
function quarantinedByType(batch: FetchedBatch, landed: LandedFiles): Map<string, number> {
  const counts = new Map<string, number>();
  for (const file of batch.files) {
    const refused = landed.quarantinedBy.get(file.path) ?? 0;
    if (refused > 0) counts.set(file.type ?? "", (counts.get(file.type ?? "") ?? 0) + refused);
  }
  return counts;
}

/** Why a type's watermark stays, in the server's and our words. */
function whyIncomplete(batch: FetchedBatch, type: string): string | null {
  if (isComplete(batch, type)) return null;
  const reasons = batch.problems
    .filter((problem) => (problem.type ?? type) === type && ["fatal", "error"].includes(problem.severity))
    .map((problem) => problem.message);
  return [...new Set(reasons)].slice(0, 3).join(" ") || "The source did not deliver the type completely.";
}

function runTypes(batch: FetchedBatch, part: Part, landed: LandedFiles): Record<string, RunType> {
  const quarantined = quarantinedByType(batch, landed);
  const names = [...new Set([...part.types, ...Object.keys(landed.types), ...quarantined.keys()])].sort();
  const types: Record<string, RunType> = {};
  for (const name of names) {
    const { stored = 0, deleted = 0, superseded = 0, unchanged = 0 } = landed.types[name] ?? {};
    const refused = quarantined.get(name) ?? 0;
    types[name] = {
      since: part.since[name] ?? null,
      transactionTime: batch.watermarks?.[name] ?? batch.transactionTime,
      fetched: stored + superseded + unchanged + refused,
      stored,
      deleted,
      superseded,
      unchanged,
      quarantined: refused,
      error: part.types.includes(name) ? whyIncomplete(batch, name) : null,
    };
  }
  return types;
}

/** Types of which the part holds everything that the source has. */
function fullTypes(part: Part): string[] {
  return part.types.filter((type) => part.since[type] === undefined);
}

/** Whether what a full export lacks is deleted: where the policy says so, or where everything was asked for again without any limit. */
function comparesFullExports(work: RunAtWork, assignment: Assignment): boolean {
  const { deletes, level, typeFilters = [] } = work.source.config;
  if (deletes.policy === "fullExportIsComplete" || deletes.policy === "reconcile") return true;
  return deletes.policy === "auto" && assignment.full && level === "system" && typeFilters.length === 0;
}

/**
 * What the lake has of fully exported types and the export lacks. A type of which anything came incomplete or was refused proves
 * nothing.
 */
async function lackingInExport(
  work: RunAtWork,
  batch: FetchedBatch,
  part: Part,
  landing: { readonly dir: string; readonly manifest: LandingManifest },
): Promise<FoundDeletes> {
  const found = foundDeletes(work, batch.transactionTime);
  const { counts, problems } = landing.manifest;
  const refused = counts.quarantined > 0 || problems.length > 0;
  const whole = fullTypes(part).filter((type) => isComplete(batch, type) && !refused);
  for (const type of fullTypes(part)) {
    if (whole.includes(type)) continue;
    found.skip(type, "it came incomplete or with refused lines, so nothing was concluded from what it lacks");
  }
  const present = { kind: "landing", landingDir: landing.dir, manifest: landing.manifest } as const;
  // An export is of one moment; pages of a search move while they are read and may miss what is still there.
  if (whole.length > 0) await found.compare(whole, present, work.run.record.kind === "search");
  return found;
}

/** The files of the batch; an empty one stands for none, so that a quiet night takes the same way as any other. */
async function inputsOf(work: RunAtWork, batch: FetchedBatch): Promise<ReturnType<typeof landingInputs>> {
  if (batch.files.length > 0) return landingInputs(batch.files);
  const nothing = path.join(work.workDir, "nothing.ndjson");
  await writeFile(nothing, "");
  return [{ path: nothing, bundles: "store" }];
}

function stateOf(work: RunAtWork, more: SourceStateChange): SourceStateChange {
  return { ...more, requestHash: requestHash(work.source), run: work.run.record.runId, fence: work.fence };
}

/**
 * All watermarks that hold once the part is committed, and those that they come after: those of types that nobody asks for any more are
 * dropped. Errors: `lake/coverage-went-back` when the lake was set back since the part was asked for.
 */
async function newWatermarks(
  work: RunAtWork,
  assignment: Assignment,
  batch: FetchedBatch,
  part: Part,
): Promise<Required<Pick<SourceStateChange, "watermarks" | "watermarksAfter">>> {
  const known = (await work.lake.history.latest())?.sources[work.source.name];
  if (!goesOnFrom(part, known?.watermarks)) throw coverageWentBack(work.source.name);
  const asked = new Set(assignment.parts.flatMap((each) => each.types));
  const kept = known?.requestHash === requestHash(work.source) ? Object.entries(known.watermarks ?? {}) : [];
  const still = kept.filter(([type]) => asked.has(type));
  const own = ownWatermarks(batch, part);
  const standing = Object.fromEntries(still);
  const watermarks = assignment.keepsWatermarks === true ? { ...own, ...standing } : { ...standing, ...own };
  return { watermarks, watermarksAfter: known?.watermarks ?? {} };
}

/** True when no type of the part was ever loaded from this source: then there is nothing that could have been deleted. */
async function isFirstLoad(work: RunAtWork, part: Part): Promise<boolean> {
  const known = (await work.lake.history.latest())?.sources[work.source.name]?.watermarks ?? {};
  return part.types.every((type) => known[type] === undefined);
}

/** Lands a fetched part and commits it with the source's new watermarks, then the deletes that comparing brought up. */
export async function landPart(
  work: RunAtWork,
  assignment: Assignment,
  part: Part,
  fetched: FetchedBatch,
): Promise<LandedPart> {
  const batch = await withVersionedDeletes(work, fetched);
  const first = await isFirstLoad(work, part);
  const compares = comparesFullExports(work, assignment) && !first && fullTypes(part).length > 0;
  const whole = part.types.every((type) => isComplete(batch, type));
  const listed = whole && (first || batch.deletesListed);
  const warnings = batch.problems
    .filter(({ severity }) => severity !== "information")
    .map(({ message }) => message);
  // What lists no deletes says nothing of those that were listed up to the watermarks.
  const verified =
    assignment.keepsWatermarks === true && !listed
      ? {}
      : { deletesVerified: listed, ...(listed ? { deletesVerifiedAt: batch.transactionTime } : {}) };
  const news = await newWatermarks(work, assignment, batch, part);
  let found: FoundDeletes | undefined;
  const landed = await landFiles(work.lake, {
    inputs: await inputsOf(work, batch),
    source: work.source.name,
    policy: work.source.config.order,
    limits: work.limits,
    transactionTime: batch.transactionTime,
    views: work.views,
    keepLanding: durationMs(work.config.retention.landing) > 0,
    signal: work.signal,
    sourceState: stateOf(work, {
      ...news,
      ...verified,
    }),
    onChecked: (done, total) => work.onProgress?.("check", done, total),
    onStored: (type, done, types) => work.onProgress?.("store", done, types, type),
    beforeCommit: async (landing) => {
      crashPoint("run.landing.complete");
      if (compares) found = await lackingInExport(work, batch, part, landing);
    },
  });
  crashPoint("run.part.committed");
  const { durations } = work.run.record;
  const spent = (step: "check" | "commit"): number =>
    Math.round((durations[step] ?? 0) + landed.durations[step]);
  work.run.note({ durations: { ...durations, check: spent("check"), commit: spent("commit") } });
  const types = runTypes(batch, part, landed);
  let snapshot = landed.snapshot?.id;
  if (found !== undefined) {
    const outcome = await found.commit(part.name);
    snapshot = outcome.snapshot ?? snapshot;
    for (const [type, deleted] of Object.entries(outcome.deleted)) {
      const before = types[type];
      if (before !== undefined) {
        types[type] = {
          ...before,
          fetched: before.fetched + deleted,
          stored: before.stored + deleted,
          deleted: before.deleted + deleted,
        };
      }
    }
    warnings.push(...found.warnings);
  }
  const held = found?.isHeldBack === true;
  const incomplete = !whole || held;
  return {
    types,
    snapshot,
    warnings: [...new Set(warnings)].slice(0, 50),
    incomplete,
    watermarks: Object.fromEntries(
      Object.entries(news.watermarks).filter(([type]) => part.types.includes(type)),
    ),
  };
}
