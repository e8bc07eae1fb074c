import { createHash } from "node:crypto";
import { quoteIdentifier, quoteLiteral } from "#duckdb";
import type { LakeCatalog, SnapshotReader, SnapshotView, ViewColumn } from "./catalog.js";

/** One row of a system view: a value per column, instants and numbers as JSON has them, null for none. */
export type SystemRow = Readonly<Record<string, string | number | boolean | null>>;

/** A view over what the lake knows of itself instead of over resources. It shows the present, whatever snapshot it is read in. */
export interface SystemView {
  readonly name: string;
  readonly description: string;
  readonly columns: readonly ViewColumn[];
  /** In the order in which they are to leave. */
  rows(): Promise<readonly SystemRow[]>;
}

/** A key that sorts as the rows stand. */
function keyOf(index: number): string {
  const hex = index.toString(16).padStart(32, "0");
  return [8, 12, 16, 20, 32].map((end, i) => hex.slice([0, 8, 12, 16, 20][i], end)).join("-");
}

function relationOf(columns: readonly ViewColumn[], rows: readonly SystemRow[]): string {
  const names = ["_lake_key", ...columns.map((column) => column.name)];
  const types = Object.fromEntries(names.map((name) => [name, "VARCHAR"]));
  const keyed = rows.map((row, index) => ({ _lake_key: keyOf(index), ...row }));
  const text = `from_json(${quoteLiteral(JSON.stringify(keyed))}, ${quoteLiteral(JSON.stringify([types]))})`;
  const items = columns.map(({ name, sqlType }) => {
    const column = quoteIdentifier(name);
    return `CAST(r.${column} AS ${sqlType}) AS ${column}`;
  });
  return `(SELECT ${["CAST(r._lake_key AS UUID) AS _lake_key", ...items].join(", ")} FROM (SELECT unnest(${text}) AS r))`;
}

async function present(view: SystemView): Promise<SnapshotView> {
  const rows = await view.rows();
  const relation = relationOf(view.columns, rows);
  return {
    name: view.name,
    columns: view.columns,
    relation: () => Promise.resolve(relation),
    revision: createHash("sha256").update(relation).digest("hex"),
    state: "ready",
    rowCount: rows.length,
    resource: "",
    description: view.description,
  };
}

/** The catalog with system views beside those of its snapshots. A system view of the same name as a lake's view gives way to it. */
export function withSystemViews(catalog: LakeCatalog, systemViews: readonly SystemView[]): LakeCatalog {
  const extended = async (reader: SnapshotReader): Promise<SnapshotReader> => {
    try {
      const views = new Map(reader.views);
      for (const view of systemViews) {
        if (!views.has(view.name)) views.set(view.name, await present(view));
      }
      return { ...reader, views };
    } catch (error) {
      reader.release();
      throw error;
    }
  };
  return {
    snapshots: () => catalog.snapshots(),
    at: async (id) => extended(await catalog.at(id)),
    latest: async (options) => {
      const reader = await catalog.latest(options);
      return reader === undefined ? undefined : extended(reader);
    },
  };
}
