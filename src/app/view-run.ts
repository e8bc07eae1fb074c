import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type CompiledView, viewDataError } from "#compiler";
import { Database } from "#duckdb";
import { loadDefinitions } from "#fhir";
import { type LandNdjsonOptions, landNdjson } from "#ingestion";
import { type Lake, landedResources, liveResources, type ResourceRelation, type Snapshot } from "#lake";
import type { LandingManifest } from "#landing";
import {
  createQuery,
  type EncodedResult,
  type LakeCatalog,
  type ResultFormat,
  type SnapshotReader,
} from "#query";

/** What the encoded rows of a run are handed to. */
export type RowConsumer = (result: EncodedResult) => Promise<void>;

/** One view over files, without a lake. */
export interface ViewRunOptions {
  readonly compiled: CompiledView;
  readonly inputs: readonly string[];
  readonly source: string;
  readonly format: ResultFormat;
  readonly memoryLimitBytes?: number;
  readonly bundles?: LandNdjsonOptions["bundles"];
}

const NAME = "view";

/** A relation with the view's columns and no rows, for input without a resource of the view's type. */
function noRows(compiled: CompiledView): string {
  const columns = compiled.columns.map((c) => `NULL::${c.sqlType} AS "${c.name}"`);
  return `(SELECT ${["NULL::UUID AS _lake_key", ...columns].join(", ")} WHERE false)`;
}

function landed(
  compiled: CompiledView,
  dir: string,
  manifest: LandingManifest,
): ResourceRelation | undefined {
  const files = manifest.files.filter((file) => file.type === compiled.resource);
  if (files.length === 0) return undefined;
  return landedResources({
    definitions: loadDefinitions(compiled.fhirVersion),
    type: compiled.resource,
    source: manifest.source,
    observed: manifest.observed[compiled.resource] ?? [],
    files: files.map((file) => ({ ...file, path: path.join(dir, file.path) })),
  });
}

/** The view's rows over these resources; undefined stands for none. */
function rowsOf(compiled: CompiledView, resources: ResourceRelation | undefined): string {
  if (resources === undefined) return noRows(compiled);
  const source = {
    ...resources,
    keyColumn: "_lake_key",
    idColumn: "_lake_id",
    sourceColumn: "_lake_source",
    rawColumn: "raw",
  };
  return `(${compiled.sql(source).text})`;
}

/** A catalog of one snapshot with one view, so that a one-shot run is encoded exactly as an answer of the lake would be. */
function catalogOf(compiled: CompiledView, relation: string): LakeCatalog {
  const view = {
    name: NAME,
    columns: compiled.columns,
    relation: async () => relation,
    state: "ready" as const,
    rowCount: 0,
    resource: compiled.resource,
  };
  const reader: SnapshotReader = {
    id: 0,
    committedAt: new Date(0).toISOString(),
    views: new Map([[NAME, view]]),
    release: () => {},
  };
  return { latest: async () => reader, at: async () => reader, snapshots: async () => [reader] };
}

/** Encodes the view's rows over some resources exactly as an answer of the lake would be. */
async function encoded(
  run: { readonly compiled: CompiledView; readonly format: ResultFormat },
  resources: ResourceRelation | undefined,
  engine: { readonly database: Database; readonly temporaryFolder: string },
  consume: RowConsumer,
): Promise<void> {
  const catalog = catalogOf(run.compiled, rowsOf(run.compiled, resources));
  const read = await createQuery({ catalog, ...engine }).readView({ view: NAME });
  try {
    const result = await read.encode(run.format);
    try {
      await consume(result);
    } finally {
      await result.close();
    }
  } finally {
    read.release();
  }
}

/** An engine that keeps the order of files, so that equal runs give equal bytes. */
function openEngine(folder: string, memoryLimitBytes: number | undefined): Promise<Database> {
  return Database.open({
    tempDirectory: path.join(folder, "spill"),
    preserveInsertionOrder: true,
    ...(memoryLimitBytes === undefined ? {} : { memoryLimitBytes }),
  });
}

/** One view over the resources of a lake. */
export interface LakeViewRunOptions extends Pick<ViewRunOptions, "compiled" | "format" | "memoryLimitBytes"> {
  /** Default: the newest. */
  readonly snapshot?: number;
}

/**
 * Runs a view over a snapshot's resources, whether or not the lake keeps it materialized, and hands the encoded rows to `consume`. Answers
 * the snapshot. Errors: `lake/empty`, those of reading a snapshot by number, those of the data in the view.
 */
export async function runViewOnLake(
  lake: Lake,
  options: LakeViewRunOptions,
  consume: RowConsumer,
): Promise<Snapshot> {
  const { compiled, snapshot: id, memoryLimitBytes } = options;
  const snapshot = id === undefined ? await lake.head() : await lake.history.at(id);
  const temporaryFolder = await lake.store.stagingDirectory(`view-run-${process.pid}`);
  const database = await openEngine(temporaryFolder, memoryLimitBytes);
  try {
    await lake.reading(async () => {
      const table = snapshot.tables[compiled.resource];
      const resources = table === undefined ? undefined : await liveResources(lake, compiled.resource, table);
      await encoded(options, resources, { database, temporaryFolder }, consume);
    });
    return snapshot;
  } catch (error) {
    throw viewDataError(error) ?? error;
  } finally {
    database.close();
    await rm(temporaryFolder, { recursive: true, force: true });
  }
}

/**
 * Checks the inputs as an ingestion would, runs the view over what passed, and hands the encoded rows to `consume`. The manifest tells
 * what was refused. Errors of the data in the view (`view/multiple-values`, …) surface from `consume`.
 */
export async function runViewOnce(options: ViewRunOptions, consume: RowConsumer): Promise<LandingManifest> {
  const scratch = await mkdtemp(path.join(tmpdir(), "fhir-lake-view-"));
  const landingDir = path.join(scratch, "landing");
  await mkdir(landingDir);
  const database = await openEngine(scratch, options.memoryLimitBytes);
  try {
    const manifest = await landNdjson({
      inputs: options.inputs,
      source: options.source,
      policy: "time",
      landingDir,
      sequence: 1,
      acceptedAt: new Date(),
      definitions: loadDefinitions(options.compiled.fhirVersion),
      ...(options.bundles === undefined ? {} : { bundles: options.bundles }),
    });
    const resources = landed(options.compiled, landingDir, manifest);
    await encoded(options, resources, { database, temporaryFolder: scratch }, consume);
    return manifest;
  } catch (error) {
    throw viewDataError(error) ?? error;
  } finally {
    database.close();
    await rm(scratch, { recursive: true, force: true });
  }
}
