import { utcInstantText } from "./calendar.js";
import type { Chart } from "./chart.js";
import { batchHours, POPULATION_DATE } from "./era.js";
import { badOption } from "./errors.js";
import { facilitiesOf } from "./facility.js";
import { type FileSummary, OutputFolder } from "./output.js";
import type { RecordOptions } from "./record.js";
import { chartTexts } from "./render/chart.js";
import { facilityTexts } from "./render/facility.js";
import type { RenderOptions, ResourceText } from "./render/resource.js";
import { tellLife } from "./story/life.js";
import { PeopleCount, type PeopleTotals } from "./totals.js";
import { truthHeader, truthLine, truthOf } from "./truth.js";
import { BatchFolder, type BatchTotals, newcomers } from "./update/batch-folder.js";
import { isTouched, tellNight } from "./update/night.js";

/** Raised whenever the same seed gives other bytes than before. */
export const GENERATOR_VERSION = 1;

/** Largest population of one seed; indexes above are kept for people who arrive in later batches. */
export const MOST_PATIENTS = 10_000_000;

/** What to generate and where. */
export interface PopulationOptions extends RecordOptions {
  /** From 1 to {@link MOST_PATIENTS}. */
  readonly patients: number;
  /** A whole number from 0 to 2^53 - 1. */
  readonly seed: number;
  /** The folder for the files; it has to be empty or new, unless `overwrite` is set. */
  readonly outDir: string;
  readonly overwrite?: boolean;
  /** How many nightly batches of changes to write as well, from 0 (the default) to 366. */
  readonly updatesBatches?: number;
  /** Called after every patient. */
  readonly onProgress?: (progress: PopulationProgress) => void;
  /** Aborting it stops the generation after the current patient with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** How far a generation has come. */
export interface PopulationProgress {
  readonly patients: number;
  readonly totalPatients: number;
  readonly resources: number;
  readonly writtenBytes: number;
}

/** What `truth.json` holds: what was generated, and what a query over all of it has to find. */
export interface PopulationTotals {
  readonly generator: { readonly name: "fhir-lake synthetic population"; readonly version: number };
  readonly seed: number;
  readonly patients: number;
  readonly density: number;
  readonly meta: boolean;
  /** Nothing in the population happened later; batch 1 begins here. */
  readonly populationDate: string;
  readonly resources: Readonly<Record<string, number>>;
  readonly totalResources: number;
  readonly totalBytes: number;
  readonly people: PeopleTotals;
  readonly files: readonly FileSummary[];
  readonly batches: readonly BatchTotals[];
}

function checkWhole(name: string, value: number, low: number, high: number): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  throw badOption(`'${name}' has to be a whole number from ${low} to ${high}.`, { name, value });
}

function checkOptions(options: PopulationOptions): void {
  checkWhole("patients", options.patients, 1, MOST_PATIENTS);
  checkWhole("seed", options.seed, 0, Number.MAX_SAFE_INTEGER);
  checkWhole("updatesBatches", options.updatesBatches ?? 0, 0, 366);
  const density = options.density ?? 1;
  if (!(density >= 0.1 && density <= 4)) {
    throw badOption("'density' has to be a number from 0.1 to 4.", { name: "density", value: density });
  }
}

/** Resources counted by type. */
class Counter {
  readonly byType: Record<string, number> = {};
  total = 0;

  add(type: string): void {
    this.byType[type] = (this.byType[type] ?? 0) + 1;
    this.total++;
  }
}

/** Writes lines to `<Type>.ndjson`, waiting for the disk whenever a chunk is full. */
async function writeTexts(
  folder: OutputFolder,
  texts: Iterable<ResourceText>,
  counter: Counter,
): Promise<void> {
  for (const { type, text } of texts) {
    counter.add(type);
    const full = folder.add(`${type}.ndjson`, text);
    if (full !== undefined) await full;
  }
}

/** Everything that later batches say about one patient of the population. */
async function writeNights(
  chart: Chart,
  batches: readonly BatchFolder[],
  render: RenderOptions,
): Promise<void> {
  for (const folder of batches) {
    if (!isTouched(chart.seed, chart.index, folder.batch)) continue;
    const changes = tellNight(chart, folder.batch, render);
    await folder.add(changes, truthOf(chart));
  }
}

/** People who appear for the first time in a batch: their whole record is stored that day. */
async function writeNewcomers(
  options: PopulationOptions,
  batches: readonly BatchFolder[],
  render: RenderOptions,
): Promise<void> {
  for (const folder of batches) {
    const { from, to } = batchHours(folder.batch);
    for (const index of newcomers(options.patients, folder.batch, MOST_PATIENTS)) {
      const chart = tellLife(options.seed, index, options.density ?? 1, {
        fromMs: from * 1000,
        toMs: to * 1000,
      });
      const upserts = chartTexts(chart, render);
      await folder.add({ upserts, deletions: [], echoes: [] }, truthOf(chart));
    }
  }
}

function totalsOf(
  options: PopulationOptions,
  counter: Counter,
  people: PeopleCount,
  files: readonly FileSummary[],
  batches: readonly BatchFolder[],
): PopulationTotals {
  const own = files.filter((file) => !file.path.includes("/"));
  return {
    generator: { name: "fhir-lake synthetic population", version: GENERATOR_VERSION },
    seed: options.seed,
    patients: options.patients,
    density: options.density ?? 1,
    meta: options.meta ?? true,
    populationDate: utcInstantText(POPULATION_DATE * 1000),
    resources: Object.fromEntries(Object.entries(counter.byType).sort(([a], [b]) => (a < b ? -1 : 1))),
    totalResources: counter.total,
    totalBytes: own.reduce((sum, { path, bytes }) => sum + (path.endsWith(".ndjson") ? bytes : 0), 0),
    people: people.totals(),
    files: own,
    batches: batches.map((batch) => batch.totals(files)),
  };
}

/** Writes every patient of the population with what later batches say about them. */
async function writePatients(
  options: PopulationOptions,
  folder: OutputFolder,
  batches: readonly BatchFolder[],
  render: RenderOptions,
  counts: { readonly resources: Counter; readonly people: PeopleCount },
): Promise<void> {
  const { patients, seed } = options;
  for (let index = 0; index < patients; index++) {
    options.signal?.throwIfAborted();
    const chart = tellLife(seed, index, options.density ?? 1);
    await writeTexts(folder, chartTexts(chart, render), counts.resources);
    const truth = truthOf(chart);
    counts.people.add(truth);
    await folder.add("truth.csv", truthLine(truth));
    await writeNights(chart, batches, render);
    options.onProgress?.({
      patients: index + 1,
      totalPatients: patients,
      resources: counts.resources.total,
      writtenBytes: folder.writtenBytes,
    });
  }
}

async function write(options: PopulationOptions, folder: OutputFolder): Promise<PopulationTotals> {
  const render: RenderOptions = { meta: options.meta ?? true };
  const batches: BatchFolder[] = [];
  for (let batch = 1; batch <= (options.updatesBatches ?? 0); batch++) {
    batches.push(await BatchFolder.open(folder, batch, render));
  }
  const counts = { resources: new Counter(), people: new PeopleCount() };
  await folder.add("truth.csv", truthHeader());
  await writeTexts(folder, facilityTexts(facilitiesOf(options.seed), render), counts.resources);
  await writePatients(options, folder, batches, render, counts);
  await writeNewcomers(options, batches, render);
  for (const batch of batches) await batch.finish();
  const files = await folder.finish();
  const totals = totalsOf(options, counts.resources, counts.people, files, batches);
  await folder.writeText("truth.json", `${JSON.stringify(totals, undefined, 2)}\n`);
  return totals;
}

/**
 * Writes a synthetic population to `outDir`: one `<Type>.ndjson` per resource type, `truth.csv` with a row per patient,
 * `batch-001/`, ... when batches are asked for, and `truth.json` last of all, so that its presence says that all is there.
 * Returns what `truth.json` holds. The same options give the same bytes; a larger population begins with the lines of a
 * smaller one in every file. Memory does not grow with the number of patients.
 * Errors: `synthetic/bad-option`, `synthetic/output-not-empty`, `synthetic/write-failed`.
 */
export async function generatePopulation(options: PopulationOptions): Promise<PopulationTotals> {
  checkOptions(options);
  const folder = await OutputFolder.open(options.outDir, options.overwrite ?? false);
  try {
    return await write(options, folder);
  } catch (error) {
    // Whoever removes the folder after a failure must not race with writes that are still under way.
    await folder.abandon();
    throw error;
  }
}
