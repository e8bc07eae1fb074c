import { type Database, quoteIdentifier } from "#duckdb";
import type { SnapshotReader, SnapshotView, ViewColumn } from "#query";
import type { OracleRow, OracleViews } from "../oracle/cohort.js";

/** Columns of the views below: name, DuckDB type, FHIR type. Computed ones follow from others as in the shipped views. */
type ColumnSpec = readonly [name: string, sqlType: string, fhirType?: string, computed?: string];

const day = (name: string): string =>
  `CAST(CASE length(${name}) WHEN 4 THEN ${name} || '-01-01' WHEN 7 THEN ${name} || '-01' ELSE left(${name}, 10) END AS DATE)`;
const moment = (name: string): string =>
  `CASE WHEN contains(${name}, 'T') THEN CAST(${name} AS TIMESTAMPTZ) END`;

const VIEWS: Readonly<Record<string, readonly ColumnSpec[]>> = {
  patient_demographics: [
    ["patient_key", "VARCHAR"],
    ["replaced_by_key", "VARCHAR"],
    ["gender", "VARCHAR", "code"],
    ["birth_date", "VARCHAR", "date"],
    ["deceased_date", "VARCHAR", "dateTime"],
    ["state", "VARCHAR"],
  ],
  condition: [
    ["patient_key", "VARCHAR"],
    ["verification_status", "VARCHAR", "code"],
    ["code_system", "VARCHAR", "uri"],
    ["code", "VARCHAR", "code"],
    ["onset", "VARCHAR", "dateTime"],
    ["onset_date", "DATE", "dateTime", day("onset")],
    ["onset_start", "TIMESTAMP WITH TIME ZONE", "dateTime", moment("onset")],
    ["recorded", "VARCHAR", "dateTime"],
  ],
  laboratory: [
    ["patient_key", "VARCHAR"],
    ["status", "VARCHAR", "code"],
    ["code_system", "VARCHAR", "uri"],
    ["code", "VARCHAR", "code"],
    ["loinc_code", "VARCHAR", "code"],
    ["effective", "VARCHAR", "dateTime"],
    ["effective_date", "DATE", "dateTime", day("effective")],
    ["effective_start", "TIMESTAMP WITH TIME ZONE", "dateTime", moment("effective")],
    ["value_number", "DOUBLE", "decimal"],
    ["unit_code", "VARCHAR", "code"],
    ["comparator", "VARCHAR", "code"],
  ],
};

/** The order in which the oracle takes the dates of each view. */
export const VIEW_DATES: Readonly<Record<string, readonly string[]>> = {
  condition: ["onset", "recorded"],
  laboratory: ["effective"],
};

async function tableOf(
  database: Database,
  name: string,
  rows: readonly OracleRow[],
  suffix: string,
): Promise<SnapshotView> {
  const specs = VIEWS[name]!;
  const given = specs.filter(([, , , computed]) => computed === undefined);
  const types = {
    key: "UUID",
    ...Object.fromEntries(given.map(([column, type]) => [column, type] as const)),
  };
  const items = specs.map(([column, type, , computed]) =>
    computed === undefined ? `r.${quoteIdentifier(column)}` : `CAST(${computed} AS ${type}) AS ${column}`,
  );
  const table = quoteIdentifier(`${name}${suffix}`);
  const plain = given.map(([column]) => `r.${column} AS ${column}`);
  await database.with(async (connection) => {
    await connection.run(
      `CREATE OR REPLACE TABLE ${table} AS SELECT key AS _lake_key, ${items.join(", ").replaceAll("r.", "")} FROM (SELECT r.key AS key, ${plain.join(", ")} FROM (SELECT unnest(from_json($1, $2)) AS r))`,
      [JSON.stringify(rows), JSON.stringify([types])],
    );
  });
  const columns = specs.map(
    ([column, sqlType, fhirType]): ViewColumn => ({
      name: column,
      sqlType,
      fhirType,
      path: column,
      collection: false,
      description: undefined,
    }),
  );
  return {
    name,
    columns,
    relation: () => Promise.resolve(`(SELECT * FROM ${table})`),
    state: "ready",
    rowCount: rows.length,
    resource: name === "condition" ? "Condition" : name === "laboratory" ? "Observation" : "Patient",
  };
}

/** A snapshot over tables of the database that hold these rows. */
export async function cohortSnapshot(
  database: Database,
  views: OracleViews,
  id = 1,
): Promise<SnapshotReader> {
  const made = await Promise.all(
    Object.entries(views).map(
      async ([name, rows]) => [name, await tableOf(database, name, rows, `_${id}`)] as const,
    ),
  );
  return {
    id,
    committedAt: new Date(Date.UTC(2026, 0, id)).toISOString(),
    views: new Map(made),
    release: () => undefined,
  };
}
