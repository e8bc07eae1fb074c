import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadViews, shippedViewsDirectory } from "#batch";
import { Database, quoteIdentifier } from "#duckdb";
import { loadDefinitions } from "#fhir";
import { definedColumns, policedCatalog, type SnapshotView } from "#query";

const SENTINEL = "h/Patient/Sentinel-Person";
/** Values of a person, by type: dates that are exact, and text that would name them. */
const VALUES: Readonly<Record<string, string>> = {
  DATE: "DATE '1990-05-17'",
  "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ '1990-05-17 03:04:05Z'",
};
/** Text that a de-identified row may hold although its class says that it tells something of a person. */
const COMMON = [
  "gender",
  "birth_sex",
  "language",
  "marital_status",
  "marital_status_code",
  "race",
  "race_code",
  "ethnicity",
  "ethnicity_code",
  "state",
  "country",
];

let database: Database;
let views: ReadonlyMap<string, SnapshotView>;

beforeAll(async () => {
  database = await Database.open({ threads: 1 });
  const registered = await loadViews([shippedViewsDirectory()], loadDefinitions("4.0.1"));
  views = new Map(
    [...registered].map(([name, view]): [string, SnapshotView] => {
      const { columns } = view.compile();
      const definition = JSON.parse(view.text) as Readonly<Record<string, unknown>>;
      const classes = definedColumns(definition);
      const items = columns.map((column) => {
        const isDate = classes.get(column.name)?.phi === "date";
        const text = isDate ? "'1990-05-17'" : `'${SENTINEL}'`;
        const value = VALUES[column.sqlType] ?? (column.sqlType === "VARCHAR" ? text : "NULL");
        return `CAST(${value} AS ${column.sqlType}) AS ${quoteIdentifier(column.name)}`;
      });
      const relation = `(SELECT '00000000-0000-4000-8000-000000000001'::UUID AS _lake_key, ${items.join(", ")})`;
      return [
        name,
        {
          name,
          hash: view.hash,
          columns,
          relation: async () => relation,
          definition: async () => definition,
          state: "ready",
          rowCount: 1,
          resource: String(definition["resource"]),
        },
      ];
    }),
  );
});
afterAll(() => database.close());

describe("A shipped view, de-identified", () => {
  it("keeps its types, and nothing that names a person or tells a day", async () => {
    const reader = { id: 1, committedAt: "2026-01-01T00:00:00Z", views, release: () => undefined };
    const catalog = policedCatalog(
      { latest: async () => reader, at: async () => reader, snapshots: async () => [] },
      { policy: () => ({ deidentify: true, key: "a key of a test's own" }), database },
    );
    const policed = (await catalog.latest())!;
    expect(policed.views.size).toBe(views.size);
    expect(views.size).toBeGreaterThanOrEqual(34);
    for (const [name, view] of policed.views) {
      expect(view.state, `${name}: ${view.failure?.message}`).toBe("ready");
      const relation = await view.relation();
      const [types, rows] = await database.with(async (connection) => [
        await connection.rows<{ column_name: string; column_type: string }>(
          `DESCRIBE SELECT * FROM ${relation}`,
        ),
        await connection.rows<Record<string, string | null>>(
          `SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ${relation}`,
        ),
      ]);
      expect(
        types.slice(1).map((one) => [one.column_name, one.column_type]),
        name,
      ).toEqual(view.columns.map((column) => [column.name, column.sqlType]));
      const classes = definedColumns(await views.get(name)!.definition!());
      for (const { name: column } of view.columns) {
        const value = rows[0]![column];
        const place = `${name}.${column}`;
        const phi = classes.get(column)?.phi;
        if (column.endsWith("_key")) expect(value, place).toMatch(/^h\/Patient\/[0-9a-f]{32}$/);
        else if (phi === "none" || COMMON.includes(column)) continue;
        else if (phi === "quasi-identifier") expect(value ?? "", place).not.toContain("Sentinel");
        else {
          expect(phi, place).toBe("date");
          expect(value ?? "", place).not.toContain("1990-05-17");
        }
      }
    }
  });
});
