import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Database, quoteIdentifier, quoteLiteral } from "#duckdb";
import { LakeError } from "#kernel";
import type { LakeCatalog, SnapshotReader, SnapshotView, ViewColumn } from "#query";

/** A view of the fixture: its rows come from one SELECT that yields `_lake_key` and the columns. */
export interface FixtureView {
  readonly name: string;
  readonly select: string;
  readonly columns: readonly (Pick<ViewColumn, "name" | "sqlType"> & Partial<ViewColumn>)[];
  readonly state?: "ready" | "building";
  /** True makes the relation a base and a delta, united by an anti-join as a lake does after an increment. */
  readonly layered?: boolean;
  readonly definition?: Readonly<Record<string, unknown>>;
  /** Default Patient. */
  readonly resource?: string;
  readonly reach?: NonNullable<SnapshotView["reach"]>;
  /** Makes a relation of the rows that the snapshot has, given that of the rows that count. */
  readonly stored?: (relation: string) => string;
}

/** A real catalog over Parquet files in a temporary folder, with one snapshot per `commit`. */
export interface ParquetLake {
  readonly catalog: LakeCatalog;
  readonly folder: string;
  /** How many snapshots are held open just now. */
  held(): number;
  commit(views: readonly FixtureView[]): Promise<number>;
  close(): Promise<void>;
}

/** The same rows, by way of a base whose changed keys a later layer replaces. */
function layered(rows: string): string {
  const changed = `SELECT _lake_key FROM (${rows}) WHERE hash(_lake_key) % 5 = 0`;
  return `SELECT * FROM (${rows}) ANTI JOIN (${changed}) USING (_lake_key) UNION ALL SELECT * FROM (${rows}) SEMI JOIN (${changed}) USING (_lake_key)`;
}

async function writeView(folder: string, id: number, view: FixtureView): Promise<SnapshotView> {
  const file = path.join(folder, `${id}-${view.name}.parquet`);
  const database = await Database.open({ preserveInsertionOrder: true });
  const count = await database.with(async (connection) => {
    const [row] = await connection.rows<{ Count: string }>(
      `COPY (${view.select}) TO ${quoteLiteral(file)} (FORMAT parquet, ROW_GROUP_SIZE 20000)`,
    );
    return Number(row!.Count);
  });
  database.close();
  const names = view.columns.map((column) => quoteIdentifier(column.name)).join(", ");
  const rows = `SELECT _lake_key, ${names} FROM read_parquet([${quoteLiteral(file)}], union_by_name=true)`;
  const relation = view.layered === true ? `(${layered(rows)})` : `(${rows})`;
  const { stored } = view;
  return {
    name: view.name,
    relation: async () => relation,
    columns: view.columns.map((column) => ({
      path: column.name,
      fhirType: undefined,
      collection: column.sqlType.endsWith("[]"),
      description: undefined,
      ...column,
    })),
    state: view.state ?? "ready",
    rowCount: count,
    resource: view.resource ?? "Patient",
    ...(view.reach === undefined ? {} : { reach: view.reach }),
    ...(stored === undefined ? {} : { stored: async () => stored(relation) }),
    ...(view.definition === undefined ? {} : { definition: async () => view.definition! }),
    description: `Rows of ${view.name}`,
  };
}

/** An empty lake; commit to it before reading. */
export async function createParquetLake(): Promise<ParquetLake> {
  const folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-query-"));
  const snapshots: { id: number; committedAt: string; views: Map<string, SnapshotView> }[] = [];
  let held = 0;
  const reader = (snapshot: (typeof snapshots)[number]): SnapshotReader => {
    held += 1;
    let open = true;
    const release = () => {
      if (open) held -= 1;
      open = false;
    };
    return { ...snapshot, release };
  };
  const catalog: LakeCatalog = {
    latest: async () => {
      const last = snapshots.at(-1);
      return last === undefined ? undefined : reader(last);
    },
    at: async (id) => {
      const found = snapshots.find((snapshot) => snapshot.id === id);
      if (found === undefined)
        throw new LakeError("not-found", "lake/unknown-snapshot", `There is no snapshot ${id}.`);
      return reader(found);
    },
    snapshots: async () => snapshots.map(({ id, committedAt }) => ({ id, committedAt })).reverse(),
  };
  return {
    catalog,
    folder,
    held: () => held,
    commit: async (views) => {
      const id = snapshots.length + 1;
      const written = await Promise.all(views.map((view) => writeView(folder, id, view)));
      const committedAt = new Date(Date.UTC(2026, 0, id, 12)).toISOString();
      snapshots.push({ id, committedAt, views: new Map(written.map((view) => [view.name, view])) });
      return id;
    },
    close: async () => await rm(folder, { recursive: true, force: true }),
  };
}

/** Rows of every column type, with nulls, empty text, quotes, newlines, non-ASCII text and numbers past 2^53. */
export const everyType: FixtureView = {
  name: "every_type",
  columns: [
    { name: "patient_key", sqlType: "VARCHAR", fhirType: "string" },
    { name: "gender", sqlType: "VARCHAR", fhirType: "code" },
    { name: "note", sqlType: "VARCHAR", fhirType: "string" },
    { name: "value_text", sqlType: "VARCHAR", fhirType: "decimal" },
    { name: "value_number", sqlType: "DOUBLE" },
    { name: "active", sqlType: "BOOLEAN", fhirType: "boolean" },
    { name: "age", sqlType: "INTEGER", fhirType: "integer" },
    { name: "big", sqlType: "BIGINT", fhirType: "integer64" },
    { name: "birth_date", sqlType: "DATE" },
    { name: "seen_at", sqlType: "TIMESTAMP WITH TIME ZONE" },
    { name: "local_at", sqlType: "TIMESTAMP" },
    { name: "dose", sqlType: "DECIMAL(10,3)" },
    { name: "uid", sqlType: "UUID" },
    { name: "given", sqlType: "VARCHAR[]", fhirType: "string" },
    { name: "scores", sqlType: "VARCHAR[]", fhirType: "decimal" },
    { name: "days", sqlType: "DATE[]" },
    { name: 'odd "name', sqlType: "VARCHAR" },
  ],
  select: `SELECT * FROM (VALUES
    ('k1', 'Patient/1', 'female', 'says "hi", twice' || chr(10) || 'and é😀', '1.10', 0.1::DOUBLE, true, 42, 9007199254740993, DATE '1980-01-31',
     TIMESTAMPTZ '2026-01-31 13:45:00.123456+02:00', TIMESTAMP '2026-01-31 13:45:00', 12.500::DECIMAL(10,3), '00000000-0000-0000-0000-00000000000a'::UUID,
     ['Ann', NULL, 'O"Neil', ''], ['1.0', NULL, '12345678901234567890.123456789'], [DATE '2020-02-29', NULL], 'x'),
    ('k2', 'Patient/2', 'male', '', '12345678901234567890.1234567890', 1e20::DOUBLE, false, -1, -5, DATE '0999-12-31',
     TIMESTAMPTZ '1969-12-31 23:59:59+00', TIMESTAMP '1900-01-01 00:00:00.5', -0.001::DECIMAL(10,3), 'ffffffff-ffff-ffff-ffff-ffffffffffff'::UUID,
     [], [], [], 'a,b'),
    ('k3', 'Patient/3', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    ('k4', 'Patient/4', 'female', ' 007 ', '-0.0e-3', -2.5::DOUBLE, true, 2147483647, 9007199254740991, DATE '2000-02-29',
     TIMESTAMPTZ '2000-01-01 00:00:00+00', TIMESTAMP '2000-01-01 00:00:00', 9999999.999::DECIMAL(10,3), '12345678-1234-1234-1234-123456789abc'::UUID,
     ['only'], ['not a number'], [DATE '1999-01-01'], '=1+1')
  ) AS t(_lake_key, patient_key, gender, note, value_text, value_number, active, age, big, birth_date, seen_at, local_at, dose, uid, given, scores, days, "odd ""name")`,
};

/** A view of `rowCount` rows with nine columns of common types. */
export function manyRows(name: string, rowCount: number): FixtureView {
  return {
    name,
    columns: [
      { name: "patient_key", sqlType: "VARCHAR", fhirType: "string" },
      { name: "gender", sqlType: "VARCHAR", fhirType: "code" },
      { name: "birth_date", sqlType: "DATE" },
      { name: "value_text", sqlType: "VARCHAR", fhirType: "decimal" },
      { name: "value_number", sqlType: "DOUBLE" },
      { name: "n", sqlType: "INTEGER", fhirType: "integer" },
      { name: "at", sqlType: "TIMESTAMP WITH TIME ZONE" },
      { name: "flag", sqlType: "BOOLEAN", fhirType: "boolean" },
      { name: "display", sqlType: "VARCHAR", fhirType: "string" },
    ],
    select: `SELECT lpad(i::VARCHAR, 12, '0') AS _lake_key, 'Patient/' || i AS patient_key, CASE i % 3 WHEN 0 THEN 'female' WHEN 1 THEN 'male' END AS gender,
      DATE '1950-01-01' + (i % 20000)::INTEGER AS birth_date, (i / 7.0)::DECIMAL(12,2)::VARCHAR AS value_text, (i * 1.5)::DOUBLE AS value_number,
      i::INTEGER AS n, TIMESTAMPTZ '2020-01-01 00:00:00+00' + to_seconds(i) AS "at", i % 2 = 0 AS flag,
      'some "display", text ' || (i % 1000) AS display FROM range(${rowCount}) t(i)`,
  };
}
