import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type CompiledView, viewDataError } from "#compiler";
import { Database } from "#duckdb";
import { loadDefinitions } from "#fhir";
import { type LandNdjsonOptions, landNdjson } from "#ingestion";
import { landedResources } from "#lake";
import type { LandingManifest } from "#landing";
import {
  createQuery,
  type EncodedResult,
  type LakeCatalog,
  type ResultFormat,
  type SnapshotReader,
} from "#query";

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

function relationOf(compiled: CompiledView, dir: string, manifest: LandingManifest): string {
  const files = manifest.files.filter((file) => file.type === compiled.resource);
  if (files.length === 0) return noRows(compiled);
  const { relation, shape } = landedResources({
    definitions: loadDefinitions(compiled.fhirVersion),
    type: compiled.resource,
    source: manifest.source,
    observed: manifest.observed[compiled.resource] ?? [],
    files: files.map((file) => ({ ...file, path: path.join(dir, file.path) })),
  });
  const source = {
    relation,
    shape,
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

/**
 * Checks the inputs as an ingestion would, runs the view over what passed, and hands the encoded rows to `consume`. The manifest tells
 * what was refused. Errors of the data in the view (`view/multiple-values`, …) surface from `consume`.
 */
export async function runViewOnce(
  options: ViewRunOptions,
  consume: (result: EncodedResult) => Promise<void>,
): Promise<LandingManifest> {
  const scratch = await mkdtemp(path.join(tmpdir(), "fhir-lake-view-"));
  const landingDir = path.join(scratch, "landing");
  await mkdir(landingDir);
  const database = await Database.open({
    tempDirectory: path.join(scratch, "spill"),
    preserveInsertionOrder: true,
    ...(options.memoryLimitBytes === undefined ? {} : { memoryLimitBytes: options.memoryLimitBytes }),
  });
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
    const catalog = catalogOf(options.compiled, relationOf(options.compiled, landingDir, manifest));
    const query = createQuery({ catalog, database, temporaryFolder: scratch });
    const read = await query.readView({ view: NAME });
    try {
      const result = await read.encode(options.format);
      try {
        await consume(result);
      } finally {
        await result.close();
      }
    } finally {
      read.release();
    }
    return manifest;
  } catch (error) {
    throw viewDataError(error) ?? error;
  } finally {
    database.close();
    await rm(scratch, { recursive: true, force: true });
  }
}
