import { createHash } from "node:crypto";
import { parseColumnType } from "#duckdb";
import type { SnapshotReader, ViewColumn } from "../catalog.js";
import { type ReadContext, stateOf, type ViewRead } from "../read-view.js";
import { ResultEncoder, type Statement } from "../result.js";

/** A column of rows that are computed from a cohort. */
export interface TableColumn {
  readonly name: string;
  readonly sqlType: string;
  readonly description: string;
}

/** Rows about a cohort, to be sent in any format. */
export interface CohortTable {
  /** Names the rows in file names and pages. */
  readonly name: string;
  readonly description: string;
  readonly columns: readonly TableColumn[];
  /** A SELECT that yields the columns in order, rows in a fixed order. */
  readonly source: string;
  readonly parameters: readonly string[];
  /** Everything but the state that decides the rows. */
  readonly identity: readonly unknown[];
  /** Of views whose change changes the rows: the last epoch of each. */
  readonly changedAt: readonly (number | string | null)[];
}

function viewColumn({ name, sqlType, description }: TableColumn): ViewColumn {
  return { name, sqlType, description, path: "", fhirType: undefined, collection: false };
}

/** The table as rows of a view are read, so that it leaves in every format that views do. Takes the snapshot over. */
export function readTable(context: ReadContext, snapshot: SnapshotReader, table: CohortTable): ViewRead {
  const columns = table.columns.map(viewColumn);
  const statement: Statement = {
    source: table.source,
    parameters: table.parameters,
    columns: columns.map(({ name, sqlType }) => ({
      name,
      type: parseColumnType(sqlType),
      decimalText: false,
    })),
  };
  const encoder = (): ResultEncoder =>
    new ResultEncoder(context.database, statement, context.temporaryFolder);
  const question = [
    snapshot.id,
    snapshot.committedAt,
    table.changedAt,
    table.identity,
    ...(snapshot.policy === undefined ? [] : [snapshot.policy]),
    columns.map(({ name }) => name),
  ];
  return {
    state: stateOf(snapshot),
    view: {
      name: table.name,
      columns,
      relation: () => Promise.resolve(`(${table.source})`),
      state: "ready",
      rowCount: 0,
      resource: "Patient",
      description: table.description,
    },
    columns,
    fingerprint: createHash("sha256").update(JSON.stringify(question)).digest("hex"),
    encode: async (format, options = {}) => await encoder().encode(format, options),
    texts: async (options = {}) => await encoder().texts(options),
    rowLimit: undefined,
    page: () => Promise.resolve({ rowCount: undefined, truncated: false, next: undefined }),
    count: async (_kind, options = {}) => {
      const [row] = await context.database.with((connection) =>
        connection.rows<{ n: string }>(
          `SELECT count(*) AS n FROM (${table.source})`,
          table.parameters,
          options,
        ),
      );
      return { rows: Number(row!.n), exact: true };
    },
    release: () => snapshot.release(),
  };
}
