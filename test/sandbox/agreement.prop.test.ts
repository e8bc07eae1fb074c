import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Database } from "#duckdb";
import { systemClock } from "#kernel";
import { createQuery, type QueryService } from "#query";
import { createApp, type ServingApp, silentLogger } from "#serving";
import { createParquetLake, everyType, manyRows, type ParquetLake } from "../support/parquet-lake.js";

const RUNS = Number(process.env["FHIR_LAKE_SQL_AGREEMENT"] ?? 30);

let lake: ParquetLake;
let database: Database;
let query: QueryService;
let app: ServingApp;

beforeAll(async () => {
  lake = await createParquetLake();
  database = await Database.open({ preserveInsertionOrder: true, threads: 1 });
  query = createQuery(
    { catalog: lake.catalog, database, temporaryFolder: path.join(lake.folder, "tmp") },
    { sandbox: { threads: 2 } },
  );
  app = createApp({ catalog: lake.catalog, query, clock: systemClock, log: silentLogger });
  await lake.commit([{ ...manyRows("many", 500), layered: true }, everyType]);
  await lake.commit([{ ...manyRows("many", 900), layered: true }, everyType]);
});

afterAll(async () => {
  await query.close();
  expect(lake.held()).toBe(0);
  database.close();
  await lake.close();
});

/** One filter, as an address and as SQL of its own with one parameter. */
interface Filter {
  readonly address: readonly [string, string];
  readonly sql: (parameter: string) => string;
  readonly value: unknown;
}

const comparisons = { eq: "=", neq: "<>", gt: ">", gte: ">=", lt: "<", lte: "<=" } as const;
const comparison = fc.constantFrom(...(Object.keys(comparisons) as (keyof typeof comparisons)[]));

function compared(
  column: string,
  values: fc.Arbitrary<string | number | boolean>,
  cast: string,
): fc.Arbitrary<Filter> {
  return fc.tuple(comparison, values, fc.boolean()).map(([operator, value, not]) => ({
    address: [column, `${not ? "not." : ""}${operator}.${value}`],
    sql: (parameter) => `${not ? "NOT " : ""}("${column}" ${comparisons[operator]} ${parameter}::${cast})`,
    value: String(value),
  }));
}

const day = fc
  .integer({ min: -10, max: 20_010 })
  .map((n) => new Date(Date.UTC(1950, 0, 1) + n * 86_400_000).toISOString().slice(0, 10));
const instant = fc
  .integer({ min: -10, max: 1_000 })
  .map((n) => new Date(Date.UTC(2020, 0, 1) + n * 1_000).toISOString());
const word = fc.constantFrom(
  "female",
  "male",
  "other",
  "",
  "it's",
  "%",
  "a,b",
  'some "display", text 7',
  "é😀",
);

const filter: fc.Arbitrary<Filter> = fc.oneof(
  compared("n", fc.integer({ min: -5, max: 905 }), "INTEGER"),
  compared("birth_date", day, "DATE"),
  compared("at", instant, "TIMESTAMPTZ"),
  compared(
    "value_number",
    fc.integer({ min: -5, max: 1_400 }).map((n) => n / 2),
    "DOUBLE",
  ),
  compared("gender", word, "VARCHAR"),
  fc
    .boolean()
    .map((flag): Filter => ({ address: ["flag", `is.${flag}`], sql: (p) => `flag = ${p}`, value: flag })),
  fc.boolean().map(
    (none): Filter => ({
      address: ["gender", none ? "is.null" : "is.not_null"],
      sql: (p) => `(gender IS NULL) = ${p}`,
      value: none,
    }),
  ),
  fc.array(fc.integer({ min: 0, max: 900 }), { minLength: 1, maxLength: 8 }).map(
    (ns): Filter => ({
      address: ["n", `in.(${ns.join(",")})`],
      sql: (p) => `n IN ${p}`,
      value: ns,
    }),
  ),
  fc.constantFrom("text 1", "TEXT 2", '"display"', "9").map(
    (part): Filter => ({
      address: ["display", `ilike.*${part}*`],
      sql: (p) => `contains(lower(display), lower(${p}))`,
      value: part,
    }),
  ),
);

const columns = [
  "n",
  "patient_key",
  "gender",
  "birth_date",
  "value_number",
  "at",
  "flag",
  "display",
] as const;
const order = fc.uniqueArray(
  fc.record({
    column: fc.constantFrom("gender", "flag", "birth_date", "value_number"),
    descending: fc.boolean(),
    nullsFirst: fc.boolean(),
  }),
  { maxLength: 3, selector: ({ column }) => column },
);

const question = fc.record({
  filters: fc.array(filter, { maxLength: 3 }),
  select: fc.uniqueArray(fc.constantFrom(...columns), { minLength: 1 }),
  order,
  limit: fc.option(fc.integer({ min: 0, max: 40 }), { nil: undefined }),
  snapshot: fc.constantFrom(undefined, "1", "2"),
  format: fc.constantFrom("ndjson", "csv", "tsv", "md"),
});
type Question = typeof question extends fc.Arbitrary<infer T> ? T : never;

async function byAddress({
  filters,
  select,
  order: items,
  limit,
  snapshot,
  format,
}: Question): Promise<Response> {
  // `n` is the last in both orders, so that equal rows stand alike.
  const given = new URLSearchParams(filters.map(({ address }): [string, string] => [address[0], address[1]]));
  given.set("select", select.join(","));
  const places = items.map(
    ({ column, descending, nullsFirst }) =>
      `${column}.${descending ? "desc" : "asc"}.${nullsFirst ? "nullsfirst" : "nullslast"}`,
  );
  given.set("order", [...places, "n.asc"].join(","));
  if (limit !== undefined) given.set("limit", String(limit));
  if (snapshot !== undefined) given.set("snapshot", snapshot);
  return await app.request(`http://localhost/views/many.${format}?${given}`);
}

async function bySql({
  filters,
  select,
  order: items,
  limit,
  snapshot,
  format,
}: Question): Promise<Response> {
  const where = ["true", ...filters.map((one, index) => one.sql(`$p${index}`))].join(" AND ");
  const places = items.map(
    ({ column, descending, nullsFirst }) =>
      `"${column}" ${descending ? "DESC" : "ASC"} NULLS ${nullsFirst ? "FIRST" : "LAST"}`,
  );
  const sql = `SELECT ${select.map((name) => `"${name}"`).join(", ")} FROM many WHERE ${where} ORDER BY ${[...places, "n"].join(", ")}`;
  const params = Object.fromEntries(filters.map(({ value }, index) => [`p${index}`, value]));
  return await app.request(`http://localhost/sql${snapshot === undefined ? "" : `?snapshot=${snapshot}`}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ sql, params, format, ...(limit === undefined ? {} : { limit }) }),
  });
}

describe("SQL and the addresses of views", () => {
  it("give the same bytes for the same question to the same state", async () => {
    let rows = 0;
    await fc.assert(
      fc.asyncProperty(question, async (asked) => {
        const [rest, sql] = await Promise.all([byAddress(asked), bySql(asked)]);
        const [left, right] = [await rest.text(), await sql.text()];
        expect([rest.status, sql.status]).toEqual([200, 200]);
        expect(right).toBe(left);
        for (const header of [
          "X-Lake-Snapshot",
          "X-Lake-As-Of",
          "X-Truncated",
          "X-Row-Limit",
          "X-Row-Count",
        ]) {
          expect(sql.headers.get(header), header).toBe(rest.headers.get(header));
        }
        rows += Number(rest.headers.get("X-Row-Count"));
      }),
      { numRuns: RUNS, seed: 20261121 },
    );
    // Questions that nothing answers would agree about anything.
    expect(rows).toBeGreaterThan(RUNS);
  }, 3_600_000);
});
