import { createHash } from "node:crypto";
import { didYouMean } from "#kernel";
import type { Lake, Snapshot } from "#lake";
import { resourceColumns, viewColumns } from "./columns.js";
import { type DeltaField, schemaString } from "./delta-type.js";
import { unknownTable } from "./errors.js";
import { type SourceFile, tableSources, viewSources } from "./source-file.js";

/** A table of a snapshot that can be published. */
export interface PublishableTable {
  readonly name: string;
  readonly description: string | undefined;
  readonly columns: readonly DeltaField[];
  readonly sources: readonly SourceFile[];
  readonly fingerprint: string;
  readonly revision: string;
}

function fingerprintOf(columns: readonly DeltaField[], sources: readonly SourceFile[]): string {
  const hash = createHash("sha256").update(schemaString(columns));
  for (const source of sources) hash.update(`\n${source.file.key} ${source.hiddenById}`);
  return hash.digest("hex").slice(0, 32);
}

function resourceTable(lake: Lake, snapshot: Snapshot, type: string, raw: boolean): PublishableTable {
  const table = snapshot.tables[type]!;
  const columns = resourceColumns(lake.definitions, type, table, raw);
  const sources = tableSources(table);
  return {
    name: `resources/${type}`,
    description: `Live ${type} resources`,
    columns,
    sources,
    fingerprint: fingerprintOf(columns, sources),
    revision: `${raw ? "raw:" : ""}${table.revision}`,
  };
}

function viewTable(snapshot: Snapshot, name: string): PublishableTable {
  const view = snapshot.views[name]!;
  const columns = viewColumns(view);
  const sources = viewSources(view);
  return {
    name: `views/${name}`,
    description: view.description ?? view.title,
    columns,
    sources,
    fingerprint: fingerprintOf(columns, sources),
    revision: `${view.hash}:${snapshot.tables[view.resource]?.revision ?? 0}`,
  };
}

/** Names of everything in a snapshot that could be published; views that are not `ready` are not among them. */
export function publishableNames(snapshot: Snapshot): string[] {
  const views = Object.entries(snapshot.views).filter(([, view]) => view.state === "ready");
  return [
    ...Object.keys(snapshot.tables).map((type) => `resources/${type}`),
    ...views.map(([name]) => `views/${name}`),
  ].sort();
}

/**
 * The names that a selection means: `resources` and `views` stand for all of theirs, other entries for one table. Views that are not ready
 * are passed over. Errors: `delta/unknown-table`.
 */
export function selectTables(snapshot: Snapshot, selection: readonly string[] | undefined): string[] {
  const names = publishableNames(snapshot);
  if (selection === undefined || selection.length === 0) return names;
  const known = new Set([...names, ...Object.keys(snapshot.views).map((name) => `views/${name}`)]);
  for (const wanted of selection) {
    if (wanted === "resources" || wanted === "views" || known.has(wanted)) continue;
    throw unknownTable(wanted, didYouMean(wanted, [...known]));
  }
  return names.filter((name) => selection.includes(name) || selection.includes(name.split("/")[0]!));
}

/** A table by name, with everything that decides what its published form holds. */
export function publishableTable(
  lake: Lake,
  snapshot: Snapshot,
  name: string,
  raw: boolean,
): PublishableTable {
  const [kind, rest] = name.split("/") as [string, string];
  return kind === "resources" ? resourceTable(lake, snapshot, rest, raw) : viewTable(snapshot, rest);
}
