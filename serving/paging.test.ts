import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Database } from "#duckdb";
import { systemClock } from "#kernel";
import { createQuery, type QueryService } from "#query";
import { createParquetLake, everyType, manyRows, type ParquetLake } from "../test/support/parquet-lake.js";
import { createApp, type ServingApp } from "./app.js";
import { silentLogger } from "./log.js";

let lake: ParquetLake;
let database: Database;
let query: QueryService;
let app: ServingApp;

const born = {
  name: "born",
  columns: [
    { name: "patient_key", sqlType: "VARCHAR", fhirType: "string" },
    { name: "birth_date", sqlType: "VARCHAR", fhirType: "date" },
    { name: "birth_date_start", sqlType: "DATE" },
    { name: "birth_date_end", sqlType: "DATE" },
    { name: "death", sqlType: "VARCHAR", fhirType: "dateTime" },
    { name: "death_start", sqlType: "DATE" },
    { name: "limit", sqlType: "INTEGER" },
  ],
  select: `SELECT * FROM (VALUES
    ('k1', 'a', '1980-01-03', DATE '1980-01-03', DATE '1980-01-03', NULL, NULL, 1),
    ('k2', 'b', '1980', DATE '1980-01-01', DATE '1980-12-31', '2001', DATE '2001-01-01', 2),
    ('k3', 'c', NULL, NULL, NULL, NULL, NULL, 3),
    ('k4', 'd', '2026-01-02', DATE '2026-01-02', DATE '2026-01-02', NULL, NULL, 4))
    t(_lake_key, patient_key, birth_date, birth_date_start, birth_date_end, death, death_start, "limit")`,
};

beforeAll(async () => {
  lake = await createParquetLake();
  database = await Database.open({ preserveInsertionOrder: true, threads: 2 });
  query = createQuery({ catalog: lake.catalog, database, temporaryFolder: path.join(lake.folder, "tmp") });
  // A fixed key: two letters of a value may stand in a random cursor by chance.
  const cursorKey = new Uint8Array(32).fill(7);
  app = createApp({ catalog: lake.catalog, query, clock: systemClock, log: silentLogger, cursorKey });
  await lake.commit([born]);
  await lake.commit([everyType, manyRows("many", 1000), born]);
});

afterAll(async () => {
  expect(lake.held()).toBe(0);
  await query.close();
  database.close();
  await lake.close();
});

const get = async (target: string): Promise<Response> => await app.request(`http://localhost${target}`);
const rows = async (target: string): Promise<unknown[]> => {
  const response = await get(target);
  expect(response.status, target).toBe(200);
  return (await response.json()) as unknown[];
};
const next = (response: Response): string | undefined =>
  /<([^>]+)>; rel="next"/.exec(response.headers.get("Link") ?? "")?.[1];

describe("filters in the URL", () => {
  it.each([
    ["age=gte.42", ["Patient/1", "Patient/4"]],
    ["age=gte.0&age=lt.100", ["Patient/1"]],
    ["age=neq.42", ["Patient/2", "Patient/4"]],
    ["age=not.gte.42", ["Patient/2"]],
    ["gender=in.(male,other)", ["Patient/2"]],
    ["gender=is.null", ["Patient/3"]],
    ["active=is.false", ["Patient/2"]],
    ["active=not.is.true", ["Patient/2", "Patient/3"]],
    ["note=like.*twice*", ["Patient/1"]],
    ["note=ilike.SAYS*", ["Patient/1"]],
    ["note=like.%25\\%25*", []],
    ["note=eq.", ["Patient/2"]],
    ["given=cs.Ann", ["Patient/1"]],
    ["given=cs.(Ann,%22O\\%22Neil%22)", ["Patient/1"]],
    ["given=ov.(only,Ann)", ["Patient/1", "Patient/4"]],
    ["days=cs.1999-01-01", ["Patient/4"]],
    ["given=is.null", ["Patient/3"]],
    ["or=(age.lt.0,gender.is.null)", ["Patient/2", "Patient/3"]],
    ["or=(age.eq.42,and(gender.eq.female,big.gt.5))", ["Patient/1", "Patient/4"]],
    ["not.or=(age.lt.0,gender.is.null)", ["Patient/1", "Patient/4"]],
    ["birth_date=lt.1980-01-31", ["Patient/2"]],
    ["seen_at=gt.2000-01-01T00:00:00%2B01:00", ["Patient/1", "Patient/4"]],
    ["dose=lte.12.5", ["Patient/1", "Patient/2"]],
    ["value_text=eq.1.10", ["Patient/1"]],
    ["and=(%22odd%20\\%22name%22.eq.%22a,b%22)", ["Patient/2"]],
  ])("%s finds %j", async (search, expected) => {
    const found = (await rows(`/views/every_type?select=patient_key&${search}`)) as { patient_key: string }[];
    expect(found.map((row) => row.patient_key)).toEqual(expected);
  });

  it.each([
    ["age=gt.old", "query/bad-value", "whole number"],
    ["age=gtt.5", "serving/unknown-operator", "Did you mean 'gt'?"],
    ["gendr=eq.x", "serving/unknown-parameter", "Did you mean 'gender'?"],
    ["or=(gendr.eq.x)", "query/unknown-column", "Did you mean 'gender'?"],
    ["or=(gender.eq.x", "serving/bad-syntax", "at character 13"],
    ["given=eq.Ann", "query/list-filter", "cs.value"],
    ["gender=cs.x", "query/not-a-list", "eq or in"],
    ["age=like.4*", "query/not-text", "no text"],
    ["age=is.true", "query/bad-condition", "is.null"],
    ["value_text=gt.5", "query/no-order", "'value_number'"],
    ["order=value_text", "query/no-order", "'value_number'"],
    ["order=given", "query/no-order", "lists"],
    ["order=gendr", "query/unknown-column", "Did you mean 'gender'?"],
    ["order=age.dec", "serving/bad-parameter", "Did you mean 'desc'?"],
    ["order=age,age", "query/duplicate-column", "twice"],
    ["select=age,Age:gender", "query/duplicate-column", "twice"],
    ["select=_lake_key:gender", "query/bad-output-name", "_lake_"],
    ["note=like.%25a%25a%25a%25a%25a%25a%25a%25a%25", "query/bad-value", "wildcards"],
    ["note=like.a\\", "query/bad-value", "backslash"],
    ["count=all", "serving/bad-parameter", "exact"],
    ["age_at=2026-02-30", "serving/bad-parameter", "2026-01-31"],
    ["cursor=abc", "serving/bad-cursor", "first page"],
  ])("%s is refused with %s", async (search, code, words) => {
    const response = await get(`/views/every_type?${search}`);
    const problem = (await response.json()) as { type: string; detail: string };
    expect([response.status, problem.type]).toEqual([400, `urn:fhir-lake:error:${code}`]);
    expect(problem.detail).toContain(words);
  });

  it("reach a column that is named like a parameter by a group, and say where text has no order", async () => {
    expect(await rows("/views/born?and=(limit.gt.3)&select=patient_key")).toEqual([{ patient_key: "d" }]);
    expect(await rows("/views/born?birth_date=lt.1980-06&select=patient_key")).toEqual([
      { patient_key: "a" },
      { patient_key: "b" },
    ]);
    const refused = (await (await get("/views/born?death=gt.2001")).json()) as { detail: string };
    expect(refused.detail).toContain("'death_start'");
  });
});

describe("the columns of an answer", () => {
  it("take new names, in the order asked for", async () => {
    expect(await rows("/views/every_type?select=years:age,age,sex:gender&limit=1")).toEqual([
      { years: 42, age: 42, sex: "female" },
    ]);
    const csv = await (await get('/views/every_type.csv?select="a,b":age&limit=1')).text();
    expect(csv).toBe('"a,b"\n42\n');
  });

  it("have an age at the day of the snapshot or the day named, never today's, and none where it is open", async () => {
    const ages = async (search: string) =>
      await rows(`/views/born?select=patient_key,age,age_min,age_max&${search}`);
    expect(await ages("")).toEqual([
      { patient_key: "a", age: 45, age_min: 45, age_max: 45 },
      { patient_key: "b", age: null, age_min: 45, age_max: 46 },
      { patient_key: "c", age: null, age_min: null, age_max: null },
      { patient_key: "d", age: 0, age_min: 0, age_max: 0 },
    ]);
    expect(await ages("age_at=2026-01-03&age=gte.46")).toEqual([
      { patient_key: "a", age: 46, age_min: 46, age_max: 46 },
    ]);
    expect(await ages("snapshot=1&age_min=is.null&patient_key=d")).toEqual([
      { patient_key: "d", age: null, age_min: null, age_max: null },
    ]);
    expect(Object.keys((await rows("/views/born"))[0] as object)).not.toContain("age");
  });
});

describe("pages", () => {
  it("are walked by their Link headers in any format, and say what they leave out", async () => {
    const seen: string[] = [];
    let address: string | undefined =
      "/views/many.csv?select=n&gender=eq.female&order=flag.desc,n.desc&limit=100&count=exact";
    while (address !== undefined) {
      const response: Response = await get(address);
      const [, ...lines] = (await response.text()).trimEnd().split("\n");
      seen.push(...lines);
      address = next(response);
      expect(response.headers.get("X-Row-Limit")).toBe("100");
      expect(response.headers.get("X-Truncated")).toBe(String(address !== undefined));
      expect(response.headers.get("X-Total-Count")).toBe("334");
      expect(response.headers.get("X-Total-Count-Kind")).toBe("exact");
    }
    const expected = Array.from({ length: 334 }, (_, i) => i * 3);
    const sorted = [
      ...expected.filter((n) => n % 2 === 0).reverse(),
      ...expected.filter((n) => n % 2 === 1).reverse(),
    ];
    expect(seen.map(Number)).toEqual(sorted);
    const whole = await get("/views/many.csv");
    await whole.text();
    expect([whole.headers.get("X-Truncated"), next(whole)]).toEqual(["false", undefined]);
  });

  it("stay in their snapshot when a newer one comes, and belong to one question", async () => {
    const first = await get("/views/born?limit=2&select=patient_key");
    await first.text();
    const address = next(first)!;
    await lake.commit([everyType, manyRows("many", 10), { ...born, select: `${born.select} LIMIT 1` }]);
    const second = await get(address);
    expect(second.headers.get("X-Lake-Snapshot")).toBe("2");
    expect(second.headers.get("X-Lake-State")).toBe("pinned");
    expect(await second.json()).toEqual([{ patient_key: "c" }, { patient_key: "d" }]);
    expect((await get(address.replace("limit=2", "limit=1"))).status).toBe(200);
    for (const other of [
      address.replace("select=patient_key", "select=birth_date"),
      address.replace("born?", "born?age=gt.1&"),
      address.replace("/born", "/many"),
    ]) {
      expect(await (await get(other)).json(), other).toMatchObject({
        type: "urn:fhir-lake:error:serving/cursor-mismatch",
      });
    }
    const broken = `${address.slice(0, -3)}AAA`;
    expect(await (await get(broken)).json()).toMatchObject({
      status: 400,
      type: "urn:fhir-lake:error:serving/bad-cursor",
    });
    expect(address).not.toContain("k2");
    const page = await (await get("/views/many.html?snapshot=2")).text();
    expect(page).toContain('<a rel="next" href="/views/many.html?snapshot=2&#38;cursor=');
  });

  it("are cut at the server's own limit too, visibly", async () => {
    const capped = createApp({
      catalog: lake.catalog,
      query,
      clock: systemClock,
      log: silentLogger,
      maxRows: 3,
    });
    const response = await capped.request("http://localhost/views/every_type?limit=100");
    expect(await response.json()).toHaveLength(3);
    expect(response.headers.get("X-Row-Limit")).toBe("3");
    expect(response.headers.get("X-Truncated")).toBe("true");
    expect(next(response)).toBeDefined();
  });
});
