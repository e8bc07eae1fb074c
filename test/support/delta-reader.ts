import { execFileSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { quoteIdentifier, quoteLiteral } from "#duckdb";
import { type Lake, liveResources, type Snapshot, viewRows } from "#lake";
import { pythonWith } from "./python.js";

/** Readers of Delta tables that have nothing of ours in them. */
export type DeltaEngine = "deltalake" | "datafusion" | "polars";

/** A Python with every reader, or undefined; then tests skip. */
export function deltaPython(): string | undefined {
  return pythonWith("deltalake", "pyarrow", "polars");
}

/** What a reader said of a table, and the file that its rows were written to. */
export interface ReadTable {
  readonly version: number;
  readonly reader: number;
  readonly writer: number;
  readonly rows: number;
  readonly files: readonly string[];
  readonly out: string;
}

/** Has independent readers read tables (folders), each as asked. */
export function readDelta(
  python: string,
  requests: readonly {
    readonly table: string;
    readonly engine: DeltaEngine;
    readonly version?: number | undefined;
  }[],
  environment: Readonly<Record<string, string>> = {},
): ReadTable[] {
  const folder = mkdtempSync(path.join(tmpdir(), "fhir-lake-delta-"));
  const input = requests.map((request, i) => ({ ...request, out: path.join(folder, `${i}.parquet`) }));
  const script = path.resolve(import.meta.dirname, "read-delta.py");
  const answer = execFileSync(python, [script], {
    input: JSON.stringify(input),
    env: { ...process.env, ...environment },
    maxBuffer: 64 << 20,
  });
  const answers = JSON.parse(String(answer)) as Omit<ReadTable, "out">[];
  return answers.map((one, i) => ({ ...one, out: input[i]!.out }));
}

const HIDDEN = new Set(["_lake_key", "_lake_order", "_lake_deleted", "raw", "id"]);

/** A snapshot's own rows of a table, as a relation, and the columns that are to be published. */
async function lakeRows(
  lake: Lake,
  snapshot: Snapshot,
  table: string,
): Promise<{ readonly relation: string; readonly columns: readonly string[] }> {
  const [kind, name] = table.split("/") as [string, string];
  if (kind === "views") {
    const view = snapshot.views[name]!;
    return { relation: await viewRows(lake, view), columns: view.columns.map((column) => column.name) };
  }
  const { relation } = await liveResources(lake, name, snapshot.tables[name]!);
  const described = await lake.database.with((connection) =>
    connection.rows<{ column_name: string }>(`DESCRIBE SELECT * FROM ${relation}`),
  );
  return {
    relation,
    columns: described.map((row) => row.column_name).filter((column) => !HIDDEN.has(column)),
  };
}

/** How what a reader saw differs from the lake's rows. All empty or zero when it saw exactly those. */
export interface Difference {
  readonly columnsMissing: readonly string[];
  readonly columnsTooMany: readonly string[];
  readonly rowsMissing: number;
  readonly rowsTooMany: number;
}

export const NO_DIFFERENCE: Difference = {
  columnsMissing: [],
  columnsTooMany: [],
  rowsMissing: 0,
  rowsTooMany: 0,
};

/** Compares a reader's rows with those of a snapshot, as bags, in every column and nested field. */
export async function differenceFromLake(
  lake: Lake,
  snapshot: Snapshot,
  table: string,
  file: string,
): Promise<Difference> {
  const { relation, columns } = await lakeRows(lake, snapshot, table);
  return lake.database.with(async (connection) => {
    const seen = `read_parquet(${quoteLiteral(file)})`;
    const described = await connection.rows<{ column_name: string; column_type: string }>(
      `DESCRIBE SELECT * FROM ${seen}`,
    );
    const names = described.map((row) => row.column_name);
    const shared = described.filter((row) => columns.includes(row.column_name));
    const theirs = `SELECT ${shared.map((row) => quoteIdentifier(row.column_name)).join(", ")} FROM ${seen}`;
    const ours = `SELECT ${shared.map((row) => `CAST(${quoteIdentifier(row.column_name)} AS ${row.column_type})`).join(", ")} FROM ${relation}`;
    const count = async (a: string, b: string): Promise<number> => {
      const [row] = await connection.rows<{ n: string }>(`SELECT count(*) AS n FROM (${a} EXCEPT ALL ${b})`);
      return Number(row!.n);
    };
    return {
      columnsMissing: columns.filter((column) => !names.includes(column)),
      columnsTooMany: names.filter((name) => !columns.includes(name)),
      rowsMissing: await count(ours, theirs),
      rowsTooMany: await count(theirs, ours),
    };
  });
}
