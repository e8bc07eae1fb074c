import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Database, quoteIdentifier, quoteLiteral } from "#duckdb";
import type { LakeCatalog, SnapshotView, ViewColumn } from "../catalog.js";
import { policedCatalog } from "./policed-catalog.js";
import type { ColumnRule, RowRule, ViewPolicy } from "./policy.js";

const RUNS = Number(process.env["FHIR_LAKE_POLICY_RUNS"] ?? 60);
const COMMITTED = "2026-03-01T12:00:00.000Z";
const KEY = "a key of a test's own";

type Row = Readonly<Record<string, string | null>>;

const column = (name: string, sqlType: string, of: string, phi?: string): ViewColumn & { phi?: string } => ({
  name,
  sqlType,
  path: of,
  fhirType: undefined,
  collection: false,
  description: undefined,
  ...(phi === undefined ? {} : { phi }),
});

/** One column of each kind that rules tell apart. */
const COLUMNS = [
  column("patient_key", "VARCHAR", "getResourceKey()", "direct-identifier"),
  column("id", "VARCHAR", "id", "direct-identifier"),
  column(
    "organization_key",
    "VARCHAR",
    "managingOrganization.getReferenceKey(Organization)",
    "quasi-identifier",
  ),
  column("name", "VARCHAR", "name.family", "direct-identifier"),
  column("gender", "VARCHAR", "gender", "quasi-identifier"),
  column("note", "VARCHAR", "note", "quasi-identifier"),
  column("postal_code", "VARCHAR", "address.postalCode", "quasi-identifier"),
  column("code", "VARCHAR", "code", "none"),
  column("onset", "VARCHAR", "onset", "date"),
  column("onset_start", "DATE", "onset.lowBoundary()", "date"),
  column("onset_end", "DATE", "onset.highBoundary()", "date"),
  column("birth_date", "VARCHAR", "birthDate", "date"),
  column("birth_date_start", "DATE", "birthDate.lowBoundary()", "date"),
  column("seen_at", "TIMESTAMP WITH TIME ZONE", "issued", "date"),
  column("age_years", "INTEGER", "age", "quasi-identifier"),
  column("amount", "DOUBLE", "amount", "quasi-identifier"),
  column("unclassed", "VARCHAR", "x"),
] as const;

const definition = {
  resourceType: "ViewDefinition",
  select: [
    {
      column: COLUMNS.map(({ name, phi }) => ({
        name,
        path: "x",
        ...(phi === undefined ? {} : { tag: [{ name: "fhir-lake/phi", value: phi }] }),
      })),
    },
  ],
};

// ---- the plain evaluator: dates as days since 1970 and crypto of the platform, no SQL ----

const DAY = 86_400_000;
const iso = (day: number): string => new Date(day * DAY).toISOString().slice(0, 10);
const dayOf = (text: string): number => Date.parse(`${text}T00:00:00Z`) / DAY;
const sha = (text: string): string => createHash("sha256").update(text).digest("hex");
const keyed = (label: string, value: string): string =>
  sha(`${label}:${KEY}:${sha(`${KEY}:${label}:${value}`)}`).slice(0, 32);
const FLOOR = "1936-03-01";
const SMALL = "036 059 063 102 203 556 692 790 821 823 830 831 878 879 884 890 893".split(" ");

function hashOf(value: string): string {
  const [source, type, ...rest] = value.split("/");
  const isKey = /^[A-Z][A-Za-z]+$/.test(type ?? "") && source !== "" && rest.join("/") !== "";
  return isKey ? `${source}/${type}/${keyed("key", value)}` : keyed("key", value);
}

const shiftOf = (patient: string, most: number): number =>
  (Number.parseInt(keyed("shift", patient).slice(0, 8), 16) % most) + 1;

function edge(day: number, part: "year" | "month", end: boolean): number {
  const date = new Date(day * DAY);
  const [year, month] = [date.getUTCFullYear(), part === "year" ? (end ? 11 : 0) : date.getUTCMonth()];
  return (end ? Date.UTC(year, month + 1, 0) : Date.UTC(year, month, 1)) / DAY;
}

function shiftedDay(value: string, days: number, text: string | null | undefined, end: boolean): string {
  const raw = dayOf(value);
  const moved = raw - days;
  const first = end ? raw + 1 : raw;
  const looks = iso(first).endsWith("-01-01") ? "year" : iso(first).endsWith("-01") ? "month" : "exact";
  const length = text?.length ?? 0;
  const says = length >= 10 ? "exact" : length === 4 ? "year" : length === 7 ? "month" : looks;
  return says === "exact" ? iso(moved) : iso(edge(moved, says as "year" | "month", end));
}

function shiftedText(value: string, days: number): string | null {
  const first = `${value}-01-01`.slice(0, 10);
  if (value.length < 4 || Number.isNaN(dayOf(first))) return null;
  if (/^\d{4}-\d{2}-\d{2}(T[0-9:.Z+-]*)?$/.test(value))
    return iso(dayOf(value.slice(0, 10)) - days) + value.slice(10);
  if (/^\d{4}-\d{2}$/.test(value)) return iso(dayOf(`${value}-01`) - days).slice(0, 7);
  if (/^\d{4}$/.test(value)) return iso(dayOf(`${value}-01-01`) - days).slice(0, 4);
  return null;
}

const TEXT_OF: Readonly<Record<string, string>> = {
  onset_start: "onset",
  onset_end: "onset",
  birth_date_start: "birth_date",
};

function floored(name: string, value: string | null): string | null {
  if (value === null || !name.startsWith("birth_date")) return value;
  const floor = FLOOR.slice(0, Math.min(10, value.length));
  return value.slice(0, 10) < floor ? floor : value;
}

function evaluate(name: string, rule: ColumnRule, row: Row, shiftDays: number): string | null {
  const value = row[name] ?? null;
  if (value === null || rule === "keep") return value;
  const type = COLUMNS.find((one) => one.name === name)!.sqlType;
  const end = name.endsWith("_end");
  switch (rule) {
    case "hash":
      return hashOf(value);
    case "zip3": {
      const area = /^\d{3}/.exec(value)?.[0];
      return area === undefined ? null : SMALL.includes(area) ? "000" : area;
    }
    case "cap90":
      return Number(value) > 89 ? (type === "DOUBLE" ? "90.0" : "90") : value;
    case "year":
      if (type === "VARCHAR") {
        const isDate = /^\d{4}(-\d{2}){0,2}(T|$)/.test(value);
        return floored(name, isDate ? value.slice(0, 4) : null);
      }
      if (type === "DATE") return floored(name, `${value.slice(0, 4)}-${end ? "12-31" : "01-01"}`);
      return `${value.slice(0, 4)}-01-01 00:00:00+00`;
    case "shift": {
      if (row["patient_key"] === null) return null;
      const days = shiftOf(row["patient_key"]!, shiftDays);
      if (type === "VARCHAR") return floored(name, shiftedText(value, days));
      if (type === "DATE") return floored(name, shiftedDay(value, days, row[TEXT_OF[name] ?? ""], end));
      return `${iso(dayOf(value.slice(0, 10)) - days)}${value.slice(10)}`;
    }
    default:
      throw new TypeError(`no such rule: ${rule}`);
  }
}

const SAFE: Readonly<Record<string, ColumnRule>> = {
  patient_key: "hash",
  id: "drop",
  organization_key: "hash",
  name: "drop",
  gender: "keep",
  note: "drop",
  postal_code: "zip3",
  code: "keep",
  onset: "shift",
  onset_start: "shift",
  onset_end: "shift",
  birth_date: "shift",
  birth_date_start: "shift",
  seen_at: "shift",
  age_years: "drop",
  amount: "keep",
  unclassed: "drop",
};

function isShown(rule: RowRule, row: Row): boolean {
  const value = row[rule.column] ?? null;
  if (value === null) return false;
  if ("in" in rule) return rule.in.includes(value);
  if ("notIn" in rule) return !rule.notIn.includes(value);
  return rule.startsWith.some((start) => value.startsWith(start));
}

function expected(rows: readonly Row[], policy: ViewPolicy): Row[] {
  const rules = COLUMNS.map(({ name }): [string, ColumnRule] => [
    name,
    policy.columns?.["v"]?.[name] ??
      policy.columns?.["*"]?.[name] ??
      (policy.deidentify === true ? SAFE[name]! : "keep"),
  ]);
  const conditions = [...(policy.rows?.["*"] ?? []), ...(policy.rows?.["v"] ?? [])];
  return rows
    .filter((row) => conditions.every((rule) => isShown(rule, row)))
    .map((row) =>
      Object.fromEntries(
        rules
          .filter(([, rule]) => rule !== "drop")
          .map(([name, rule]) => [name, evaluate(name, rule, row, policy.shiftDays ?? 365)]),
      ),
    );
}

// ---- what is generated ----

const day = fc
  .oneof(
    { weight: 3, arbitrary: fc.integer({ min: dayOf("1925-01-01"), max: dayOf("2026-02-28") }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom("2019-01-01", "2019-12-31", "2020-02-29", "2021-03-01").map(dayOf),
    },
  )
  .map(iso);
const partial = fc.oneof(
  day,
  day.map((one) => one.slice(0, 4)),
  day.map((one) => one.slice(0, 7)),
  day.map((one) => `${one}T08:30:00-05:00`),
  fc.constantFrom("unknown", "2019-13", ""),
);
const nullable = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(of, { freq: 6 });
const patient = fc.constantFrom("a/Patient/1", "a/Patient/2", "b/Patient/1", "odd", "a//x");

const anyRow: fc.Arbitrary<Row> = fc.record({
  patient_key: nullable(patient),
  id: nullable(fc.constantFrom("1", "2")),
  organization_key: nullable(fc.constantFrom("a/Organization/o'1", "b/Organization/2")),
  name: nullable(fc.constantFrom("Canary", "O'Hara; DROP TABLE x")),
  gender: nullable(fc.constantFrom("female", "male", "")),
  note: nullable(fc.constantFrom("called at home", "x")),
  postal_code: nullable(fc.constantFrom("02139", "03601", "89312-1234", "AB1 2CD", "")),
  code: nullable(fc.constantFrom("a", "b", "A", "it's")),
  onset: nullable(partial),
  onset_start: nullable(day),
  onset_end: nullable(day),
  birth_date: nullable(partial),
  birth_date_start: nullable(day),
  seen_at: nullable(day.map((one) => `${one} 07:15:00.25+00`)),
  age_years: nullable(fc.integer({ min: 0, max: 120 }).map(String)),
  amount: nullable(fc.constantFrom("1.5", "200.0")),
  unclassed: nullable(fc.constantFrom("who knows")),
});

const FITS: Readonly<Record<string, readonly ColumnRule[]>> = {
  VARCHAR: ["keep", "drop", "hash", "zip3", "year", "shift"],
  DATE: ["keep", "drop", "year", "shift"],
  "TIMESTAMP WITH TIME ZONE": ["keep", "drop", "year", "shift"],
  INTEGER: ["keep", "drop", "cap90"],
  DOUBLE: ["keep", "drop", "cap90"],
};
const columnRules = fc
  .tuple(
    ...COLUMNS.map(({ name, sqlType }) =>
      fc.option(fc.constantFrom(...FITS[sqlType]!)).map((rule) => [name, rule] as const),
    ),
  )
  .map((all) => Object.fromEntries(all.filter(([, rule]) => rule !== null)) as Record<string, ColumnRule>);
const values = fc.uniqueArray(fc.constantFrom("a", "it's", "female", "a/", "b/Patient/1", "02139", "", "%"), {
  maxLength: 3,
});
const rowRule: fc.Arbitrary<RowRule> = fc
  .tuple(
    fc.constantFrom("patient_key", "code", "gender", "postal_code"),
    fc.constantFrom("in", "notIn", "startsWith"),
    values,
  )
  .map(([of, kind, list]) => ({ column: of, [kind]: list }) as unknown as RowRule);
const anyPolicy: fc.Arbitrary<ViewPolicy> = fc.record({
  deidentify: fc.boolean(),
  columns: fc.record({
    v: columnRules,
    "*": fc.constantFrom({}, { note: "drop" } as Record<string, ColumnRule>),
  }),
  rows: fc.record({ v: fc.array(rowRule, { maxLength: 2 }), "*": fc.array(rowRule, { maxLength: 1 }) }),
  shiftDays: fc.constantFrom(7, 365, 3650),
  key: fc.constant(KEY),
});

let database: Database;
let folder: string;
beforeAll(async () => {
  database = await Database.open({ threads: 1 });
  folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-policy-"));
});
afterAll(async () => {
  database.close();
  await rm(folder, { recursive: true, force: true });
});

function relationOf(rows: readonly Row[]): string {
  const items = COLUMNS.map(({ name, sqlType }) => `CAST(NULL AS ${sqlType}) AS ${quoteIdentifier(name)}`);
  const none = `SELECT NULL::UUID AS _lake_key, ${items.join(", ")} WHERE false`;
  const selects = rows.map((row, index) => {
    const cells = COLUMNS.map(({ name, sqlType }) => {
      const value = row[name] ?? null;
      return `CAST(${value === null ? "NULL" : quoteLiteral(value)} AS ${sqlType})`;
    });
    return `SELECT '${String(index).padStart(8, "0")}-0000-0000-0000-000000000000'::UUID, ${cells.join(", ")}`;
  });
  return `(${[none, ...selects].join(" UNION ALL ")})`;
}

function catalogOf(rows: readonly Row[]): LakeCatalog {
  const view: SnapshotView = {
    name: "v",
    hash: "h",
    columns: COLUMNS.map(({ ...one }) => one),
    relation: async () => relationOf(rows),
    definition: async () => definition,
    state: "ready",
    rowCount: rows.length,
    resource: "Patient",
  };
  const reader = { id: 1, committedAt: COMMITTED, views: new Map([["v", view]]), release: () => undefined };
  return { latest: async () => reader, at: async () => reader, snapshots: async () => [] };
}

async function rowsOf(relation: string): Promise<Row[]> {
  return await database.with((connection) =>
    connection.rows<Row>(
      `SELECT 1 AS one, CAST(COLUMNS(* EXCLUDE (_lake_key)) AS VARCHAR) FROM (SELECT NULL AS none, * FROM ${relation})`,
    ),
  );
}

const plain = (rows: readonly Row[]): string[] =>
  rows
    .map((row) =>
      JSON.stringify(
        Object.entries(row)
          .filter(([name]) => name !== "one" && name !== "none")
          .sort(),
      ),
    )
    .sort();

describe("A policy", () => {
  it("leaves exactly the rows, columns and values that an evaluator without SQL leaves, in the engine and in sealed files", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyRow, { minLength: 1, maxLength: 12 }), anyPolicy, async (rows, policy) => {
        const catalog = policedCatalog(catalogOf(rows), { policy: () => policy, database });
        const reader = (await catalog.latest())!;
        const view = reader.views.get("v")!;
        expect(view.state).toBe("ready");
        const wanted = expected(rows, policy);
        const names = Object.keys(expected([rows[0]!], { ...policy, rows: {} })[0]!).sort();
        expect(view.columns.map(({ name }) => name).sort()).toEqual(names);
        expect(plain(await rowsOf(await view.relation()))).toEqual(plain(wanted));
        expect(plain(await rowsOf(await view.sealed!(folder)))).toEqual(plain(wanted));
      }),
      { seed: 20261121, numRuns: RUNS },
    );
  });

  it("keeps the days between dates of one person, moves everybody, and moves everybody the same way in every view", async () => {
    const days = fc.tuple(patient, day, day).filter(([who]) => who !== "odd");
    await fc.assert(
      fc.asyncProperty(days, async ([who, first, second]) => {
        const exact = (text: string): Row => ({
          patient_key: who,
          onset: text,
          onset_start: text,
          seen_at: null,
        });
        const policy: ViewPolicy = { deidentify: true, key: KEY };
        const read = async (rows: Row[]): Promise<Row[]> => {
          const catalog = policedCatalog(catalogOf(rows), { policy: () => policy, database });
          return await rowsOf(await (await catalog.latest())!.views.get("v")!.relation());
        };
        const [a, b] = await read([exact(first), exact(second)]);
        const [again] = await read([exact(second)]);
        expect(dayOf(a!["onset"]!) - dayOf(b!["onset"]!)).toBe(dayOf(first) - dayOf(second));
        expect(dayOf(a!["onset_start"]!)).toBe(dayOf(a!["onset"]!));
        expect(dayOf(first) - dayOf(a!["onset"]!)).toBeGreaterThanOrEqual(1);
        expect(dayOf(first) - dayOf(a!["onset"]!)).toBeLessThanOrEqual(365);
        expect(again).toEqual(b);
      }),
      { seed: 7, numRuns: Math.ceil(RUNS / 2) },
    );
  });

  it("shows a view that its rules do not fit to nobody, and says why", async () => {
    const state = async (policy: ViewPolicy): Promise<[string | undefined, string | undefined]> => {
      const catalog = policedCatalog(catalogOf([]), { policy: () => policy, database });
      const view = (await catalog.latest())!.views.get("v");
      return [view?.state, view?.failure?.message];
    };
    expect(await state({ columns: { v: { nam: "drop" } } })).toEqual([
      "failed",
      expect.stringContaining("'nam', which it does not have"),
    ]);
    expect(await state({ columns: { v: { amount: "zip3" } } })).toEqual([
      "failed",
      expect.stringContaining("does not fit column 'amount'"),
    ]);
    expect((await state({ rows: { v: [{ column: "site", in: ["x"] }] } }))[0]).toBe("failed");
    await expect(state({ columns: { "*": { nam: "drop" } } })).rejects.toMatchObject({
      code: "query/policy-misfit",
    });
    expect(await state({ views: ["w"] })).toEqual([undefined, undefined]);
    expect(await state({ resources: ["Observation"] })).toEqual([undefined, undefined]);
  });

  it("does not go on writing a file for a statement that was ended", async () => {
    const catalog = policedCatalog(catalogOf([]), {
      policy: () => ({ deidentify: true, key: KEY }),
      database,
    });
    const view = (await catalog.latest())!.views.get("v")!;
    await expect(view.sealed!(folder, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "duckdb/interrupted",
    });
  });

  it("takes hidden columns out of the definition, and the row count where it hides rows", async () => {
    const policy: ViewPolicy = {
      columns: { v: { name: "drop" } },
      rows: { v: [{ column: "code", in: ["a"] }] },
    };
    const catalog = policedCatalog(catalogOf([]), { policy: () => policy, database });
    const view = (await catalog.latest())!.views.get("v")!;
    const text = JSON.stringify(await view.definition!());
    expect(text).not.toContain('"name":"name"');
    expect(text).toContain('"name":"gender"');
    expect(view.rowCount).toBeUndefined();
  });
});
