import path from "node:path";
import { tableFromIPC } from "apache-arrow";
import { readSheet } from "read-excel-file/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Database } from "#duckdb";
import { systemClock } from "#kernel";
import { createQuery, type LakeCatalog } from "#query";
import { createParquetLake, everyType, manyRows, type ParquetLake } from "../test/support/parquet-lake.js";
import { parquetRows, parseCsv } from "../test/support/result-bytes.js";
import { createApp, type ServingApp } from "./app.js";
import { createLogger, silentLogger } from "./log.js";

let lake: ParquetLake;
let database: Database;
let app: ServingApp;
const lines: string[] = [];

beforeAll(async () => {
  lake = await createParquetLake();
  database = await Database.open({ preserveInsertionOrder: true, threads: 2 });
  const query = createQuery({
    catalog: lake.catalog,
    database,
    temporaryFolder: path.join(lake.folder, "tmp"),
  });
  const log = createLogger({ destination: { write: (line) => void lines.push(line) } });
  app = createApp({ catalog: lake.catalog, query, clock: systemClock, log });
  await lake.commit([{ ...everyType, select: `${everyType.select} WHERE patient_key = 'Patient/1'` }]);
  await lake.commit([everyType, manyRows("many", 30_000), { ...manyRows("later", 1), state: "building" }]);
});

afterAll(async () => {
  expect(lake.held()).toBe(0);
  database.close();
  await lake.close();
});

const get = async (target: string, headers: Record<string, string> = {}, method = "GET"): Promise<Response> =>
  await app.request(`http://localhost${target}`, { headers, method });

interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly requestId: string;
  readonly [key: string]: unknown;
}

async function problem(
  target: string,
  headers: Record<string, string> = {},
  method = "GET",
): Promise<Problem> {
  const response = await get(target, headers, method);
  expect(response.headers.get("Content-Type")).toBe("application/problem+json");
  const body = (await response.json()) as Problem;
  expect(body.status).toBe(response.status);
  expect(body.requestId).toBe(response.headers.get("X-Request-Id"));
  return body;
}

const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";

describe("view answers", () => {
  it("are a plain JSON array with the snapshot in the headers", async () => {
    const response = await get("/views/every_type");
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "application/json",
      "x-lake-snapshot": "2",
      "x-lake-as-of": "2026-01-02T12:00:00.000Z",
      "x-row-count": "4",
      "cache-control": "private, no-cache",
      vary: "Accept, Authorization, X-API-Key, X-Lake-Role",
      "x-content-type-options": "nosniff",
    });
    const body = await response.text();
    expect(Number(response.headers.get("Content-Length"))).toBe(Buffer.byteLength(body));
    expect(body).toContain('"value_text":1.10,');
    expect(JSON.parse(body)).toHaveLength(4);
  });

  it("come in every format by extension, with equal rows, and downloads have a file name", async () => {
    const json = (await (await get("/views/many.json")).json()) as Record<string, unknown>[];
    expect(json).toHaveLength(30_000);
    const keys = json.map((row) => row["patient_key"]);
    const ndjson = (await (await get("/views/many.ndjson")).text()).trimEnd().split("\n");
    expect(ndjson.map((line) => JSON.parse(line) as unknown)).toEqual(json);
    const csv = parseCsv(await (await get("/views/many.csv")).text());
    expect(csv.slice(1).map((row) => row[0])).toEqual(keys);
    const parquet = await get("/views/many.parquet");
    expect(parquet.headers.get("Content-Disposition")).toBe('attachment; filename="many.parquet"');
    expect(parquet.headers.get("X-Row-Count")).toBe("30000");
    expect(
      (await parquetRows(Buffer.from(await parquet.arrayBuffer()))).map((row) => row["patient_key"]),
    ).toEqual(keys);
    const arrow = await get("/views/many.arrow");
    expect(arrow.headers.get("Content-Type")).toBe("application/vnd.apache.arrow.file");
    const table = tableFromIPC(new Uint8Array(await arrow.arrayBuffer()));
    expect(table.getChild("patient_key")!.toArray()).toEqual(keys);
    expect(table.schema.metadata.get("fhir_lake_as_of")).toBe("2026-01-02T12:00:00.000Z");
  });

  it.each([
    ["/views/every_type.csv?_format=json", browser, "text/csv; charset=utf-8"],
    ["/views/every_type?_format=ndjson", "text/csv", "application/x-ndjson"],
    ["/views/every_type?_format=text/csv", "", "text/csv; charset=utf-8"],
    ["/views/every_type", "text/csv", "text/csv; charset=utf-8"],
    ["/views/every_type", "application/json;q=0.5, text/csv;q=0.9", "text/csv; charset=utf-8"],
    ["/views/every_type", "application/vnd.apache.parquet", "application/vnd.apache.parquet"],
    ["/views/every_type", browser, "text/html; charset=utf-8"],
    ["/views/every_type", "*/*", "application/json"],
    ["/views/every_type", "application/*", "application/json"],
    ["/views/every_type", "text/csv;q=0, */*", "application/json"],
    ["/views/every_type", "", "application/json"],
    ["/views/every_type.html", "", "text/html; charset=utf-8"],
    ["/views/every_type.JSON", "", "application/json"],
  ])("choose extension, then _format, then Accept: %s with %j is %s", async (target, accept, expected) => {
    const response = await get(target, accept === "" ? {} : { Accept: accept });
    expect(response.status).toBe(200);
    expect(response.headers.get("Content-Type")).toBe(expected);
    await response.arrayBuffer();
  });

  it("answer select, limit, equality filters and snapshot", async () => {
    const rows = async (search: string) =>
      (await (await get(`/views/every_type?${search}`)).json()) as unknown[];
    expect(await rows("select=age,patient_key&limit=1")).toEqual([{ age: 42, patient_key: "Patient/1" }]);
    expect(await rows("gender=female&select=patient_key")).toEqual([
      { patient_key: "Patient/1" },
      { patient_key: "Patient/4" },
    ]);
    expect(await rows("gender=female&age=42&select=patient_key")).toEqual([{ patient_key: "Patient/1" }]);
    expect(await rows("seen_at=2026-01-31T13:45:00.123456%2B02:00&select=patient_key")).toEqual([
      { patient_key: "Patient/1" },
    ]);
    expect(await rows(`${encodeURIComponent('odd "name')}=a,b&select=patient_key`)).toEqual([
      { patient_key: "Patient/2" },
    ]);
    expect(await rows("limit=0")).toEqual([]);
    expect(await rows("snapshot=1&select=patient_key")).toEqual([{ patient_key: "Patient/1" }]);
    expect((await get("/views/every_type?snapshot=1")).headers.get("X-Lake-Snapshot")).toBe("1");
  });

  it("say the same in their bodies as in their headers where a body can", async () => {
    const address = "/views/every_type.json?envelope=1&limit=1&count=exact&select=patient_key";
    const response = await get(address);
    const body = (await response.json()) as { next: string };
    expect(body).toMatchObject({
      rows: [{ patient_key: "Patient/1" }],
      rowCount: 1,
      rowLimit: 1,
      truncated: true,
      totalCount: 4,
      snapshot: 2,
    });
    expect(response.headers.get("Link")).toBe(`<${body.next}>; rel="next"`);
    expect(await (await get(body.next)).json()).toMatchObject({ rows: [{ patient_key: "Patient/2" }] });
    const lines = (await (await get("/views/every_type.ndjson?trailer=1&limit=3")).text())
      .trimEnd()
      .split("\n");
    expect(JSON.parse(lines[3]!)).toMatchObject({ _trailer: { rows: 3, truncated: true, rowLimit: 3 } });
    const excel = await get("/views/every_type.xlsx?limit=1&select=age");
    expect(excel.headers.get("Content-Type")).toContain("spreadsheetml");
    const about = await readSheet(Buffer.from(await excel.arrayBuffer()), "About this file");
    expect(about).toContainEqual(["fhir_lake_truncated", "true"]);
    expect(about).toContainEqual(["address", "/views/every_type.xlsx?limit=1&select=age"]);
  });

  it("have strong entity tags that differ by question and format, and 304 without a body", async () => {
    const tag = async (target: string) => {
      const response = await get(target);
      await response.arrayBuffer();
      return response.headers.get("ETag")!;
    };
    const targets = [
      "/views/every_type",
      "/views/every_type.csv",
      "/views/every_type?limit=1",
      "/views/every_type?snapshot=1",
      "/views/many",
    ];
    const tags = await Promise.all(targets.map(tag));
    expect(new Set(tags).size).toBe(targets.length);
    for (const value of tags) expect(value).toMatch(/^"[\w-]{27}"$/);
    expect(await tag("/views/every_type.json?snapshot=2")).toBe(tags[0]);
    for (const condition of [tags[0]!, `W/${tags[0]}`, `"other", ${tags[0]}`, "*"]) {
      const response = await get("/views/every_type", { "If-None-Match": condition });
      expect(response.status).toBe(304);
      expect(await response.text()).toBe("");
      expect(response.headers.get("ETag")).toBe(tags[0]);
      expect(response.headers.get("X-Lake-Snapshot")).toBe("2");
    }
    expect((await get("/views/every_type", { "If-None-Match": '"other"' })).status).toBe(200);
  });

  it("give HEAD the headers of GET and no body", async () => {
    for (const target of [
      "/views/every_type.csv",
      "/views/many.parquet",
      "/views",
      "/healthz",
      "/views/every_type?limit=2",
    ]) {
      const head = await get(target, {}, "HEAD");
      const full = await get(target);
      await full.arrayBuffer();
      expect(head.status).toBe(200);
      expect(await head.text()).toBe("");
      for (const name of ["Content-Type", "ETag", "X-Lake-Snapshot", "Content-Disposition"]) {
        expect(head.headers.get(name), `${target} ${name}`).toBe(full.headers.get(name));
      }
    }
    expect((await get("/views/nope", {}, "HEAD")).status).toBe(404);
  });
});

describe("pages for people", () => {
  it("show rows escaped, at most a hundred, with lines to copy that keep the question", async () => {
    const text = await (await get("/views/many?gender=female", { Accept: browser })).text();
    expect(text.match(/<tr>/g)).toHaveLength(101);
    expect(text).toContain("The first 100 rows");
    expect(text).toContain("http://localhost/views/many.csv?gender=female");
    expect(text).toContain("pd.read_parquet");
    expect(text).not.toContain("<script");
    const typed = await (await get("/views/every_type.html")).text();
    expect(typed).toContain("says &#34;hi&#34;");
    expect(typed).toContain("All 4 rows");
    const one = await (await get("/views/every_type.html?limit=1")).text();
    expect(one.match(/<tr>/g)).toHaveLength(2);
  });

  it("never let a parameter or a value become markup", async () => {
    const attack = '"><script>alert(1)</script>';
    for (const target of [
      `/views/every_type.html?note=${encodeURIComponent(attack)}`,
      `/views/every_type.html?select=${encodeURIComponent(attack)}`,
      `/views/${encodeURIComponent(attack)}`,
      `/views?${encodeURIComponent(attack)}=1`,
    ]) {
      const response = await get(target, { Accept: browser });
      const body = await response.text();
      if (response.headers.get("Content-Type")!.startsWith("text/html"))
        expect(body).not.toContain("<script");
      expect(response.headers.get("Content-Security-Policy")).toContain("default-src 'none'");
    }
  });

  it("list the views, as JSON for machines", async () => {
    const page = await (await get("/views", { Accept: browser })).text();
    expect(page).toContain('<a href="/views/many">many</a>');
    expect(page).toContain("being built");
    const list = (await (await get("/views")).json()) as {
      snapshot: number;
      asOf: string;
      views: { name: string }[];
    };
    expect(list.snapshot).toBe(2);
    expect(list.views.map((view) => view.name)).toEqual(["every_type", "later", "many"]);
    const front = await (await get("/")).text();
    for (const link of ["/views", "/snapshots", "/healthz", "/readyz"])
      expect(front).toContain(`href="${link}"`);
    expect((await get("/style.css")).headers.get("Content-Type")).toContain("text/css");
  });
});

describe("the schema of a view", () => {
  it("names columns, types and paths", async () => {
    const schema = (await (await get("/views/every_type/schema")).json()) as {
      columns: Record<string, unknown>[];
    };
    expect(schema).toMatchObject({ name: "every_type", snapshot: 2, state: "ready", rowCount: 4 });
    expect(schema.columns[3]).toEqual({
      name: "value_text",
      sqlType: "VARCHAR",
      fhirType: "decimal",
      path: "value_text",
      collection: false,
      nullable: true,
      description: null,
      phi: null,
      systemColumn: null,
    });
    expect(schema.columns).toHaveLength(everyType.columns.length);
    expect((await get("/views/later/schema")).status).toBe(200);
    expect(await problem("/views/lateer/schema")).toMatchObject({ status: 404 });
  });
});

describe("mistakes", () => {
  it.each([
    ["/views/every_tpye", 404, "query/unknown-view", "Did you mean 'every_type'?"],
    ["/views/every_type?gendre=male", 400, "serving/unknown-parameter", "Did you mean 'gender'?"],
    ["/views/every_type?limt=1", 400, "serving/unknown-parameter", "Did you mean 'limit'?"],
    ["/views/every_type?select=gendre", 400, "query/unknown-column", "Did you mean 'gender'?"],
    ["/views/every_type?select=", 400, "query/no-columns", "at least one"],
    ["/views/every_type?select=age,age", 400, "query/duplicate-column", "'age' twice"],
    ["/views/every_type?_lake_key=k1", 400, "serving/unknown-parameter", "_lake_key"],
    ["/views/every_type?select=_lake_key", 400, "query/unknown-column", "_lake_key"],
    ["/views/every_type?age=old", 400, "query/bad-value", "Column 'age'"],
    ["/views/every_type?birth_date=1980", 400, "query/bad-value", "such as 1980-01-31"],
    ["/views/every_type?given=Ann", 400, "query/list-filter", "holds lists"],
    ["/views/every_type?gender=a&gender=b", 400, "serving/repeated-parameter", "'gender' is given twice"],
    ["/views/every_type?limit=-1", 400, "serving/bad-parameter", "limit"],
    ["/views/every_type?limit=ten", 400, "serving/bad-parameter", "limit=100"],
    ["/views/every_type?limit=", 400, "serving/bad-parameter", "limit"],
    ["/views/every_type?limit=1e3", 400, "serving/bad-parameter", "limit"],
    ["/views/every_type?snapshot=x", 400, "serving/bad-parameter", "snapshot"],
    ["/views/every_type?snapshot=99", 404, "lake/unknown-snapshot", "99"],
    [
      "/views/every_type.xls",
      406,
      "serving/not-acceptable",
      "json, ndjson, csv, tsv, parquet, arrow, arrows, xlsx, md, html",
    ],
    ["/views/every_type.jsn", 406, "serving/not-acceptable", "Did you mean 'json'?"],
    ["/views/every_type?_format=jsonl5", 406, "serving/not-acceptable", "json"],
    ["/views/many.", 406, "serving/not-acceptable", "json"],
    ["/views/every_type.csv?trailer=1", 400, "serving/bad-parameter", "trailer is for ndjson"],
    ["/views/every_type.csv?null=%22", 400, "serving/bad-parameter", "null=NA"],
    ["/views/every_type?numbers=text", 400, "serving/bad-parameter", "numbers is string"],
    ["/views/every_type?envelope=yes", 400, "serving/bad-parameter", "1 or 0"],
    ["/views?limit=1", 400, "serving/unknown-parameter", "limit"],
    ["/views?_format=csv", 406, "serving/not-acceptable", "json, html"],
    ["/views/every_type/schema?x=1", 400, "serving/unknown-parameter", "x"],
    ["/healthz?x=1", 400, "serving/unknown-parameter", "x"],
    ["/nothing", 404, "serving/no-such-page", "GET /"],
    ["/views/every_type/rows", 404, "serving/no-such-page", "GET /"],
    ["/views/later", 503, "query/view-building", "'later'"],
  ])("%s is %i %s", async (target, status, code, words) => {
    const body = await problem(target);
    expect(body.status).toBe(status);
    expect(body.type).toBe(`urn:fhir-lake:error:${code}`);
    expect(body.detail).toContain(words);
  });

  it("name a Retry-After with 503, and the formats with 406", async () => {
    expect((await get("/views/later.csv")).headers.get("Retry-After")).toBe("5");
    expect(await problem("/views/every_type", { Accept: "image/png" })).toMatchObject({
      status: 406,
      formats: ["json", "ndjson", "csv", "tsv", "parquet", "arrow", "arrows", "xlsx", "md", "html"],
    });
  });

  it("refuse methods that change things", async () => {
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
      expect(await problem("/views/every_type", {}, method)).toMatchObject({ status: 405 });
    }
    expect((await get("/views", {}, "POST")).headers.get("Allow")).toBe("GET, HEAD");
  });

  it("keep harmless request ids and replace others", async () => {
    expect((await get("/healthz", { "X-Request-Id": "abc-1.2_3" })).headers.get("X-Request-Id")).toBe(
      "abc-1.2_3",
    );
    expect((await get("/healthz", { "X-Request-Id": "a b\tc" })).headers.get("X-Request-Id")).toMatch(
      /^[0-9a-f-]{36}$/,
    );
  });

  it("answer to the allowed host names only", async () => {
    const query = createQuery({ catalog: lake.catalog, database, temporaryFolder: lake.folder });
    const guarded = createApp({
      catalog: lake.catalog,
      query,
      clock: systemClock,
      log: silentLogger,
      allowedHosts: ["localhost", "127.0.0.1"],
    });
    expect((await guarded.request("http://localhost:8080/healthz")).status).toBe(200);
    expect((await guarded.request("http://evil.example/healthz")).status).toBe(421);
  });

  it("show the address by which others reach the server", async () => {
    const query = createQuery({ catalog: lake.catalog, database, temporaryFolder: lake.folder });
    const known = createApp({
      catalog: lake.catalog,
      query,
      clock: systemClock,
      log: silentLogger,
      publicOrigin: "https://lake.example.org",
    });
    const page = await (await known.request("http://localhost:8080/views/every_type.html")).text();
    expect(page).toContain("https://lake.example.org/views/every_type.csv");
    expect(page).not.toContain("localhost:8080");
  });
});

describe("injection attempts", () => {
  const attempts = [
    "'",
    '"',
    "''",
    "';--",
    "' OR '1'='1",
    '" OR "1"="1',
    "x'); DROP VIEW many; --",
    "1; SELECT 1",
    "*/ UNION SELECT 1 /*",
    "\\",
    "\\'",
    "%27",
    "$1",
    "?",
    ":x",
    "NULL",
    "\u02bc OR 1=1",
    "\uff07 OR 1=1",
    "{{7*7}}",
    "../../etc/passwd",
    "a\nb",
    "a\u0000b",
    "\ud800",
    "x".repeat(5000),
    "__proto__",
    "constructor",
    "toString",
  ];

  it("are plain values in filters: no rows, no error but a refused value", async () => {
    for (const attempt of attempts) {
      for (const column of ["gender", "age", "birth_date", 'odd "name']) {
        const response = await get(
          `/views/every_type?${new URLSearchParams({ [column]: attempt }).toString()}`,
        );
        const body = await response.text();
        if (response.status === 200) expect(JSON.parse(body), attempt).toEqual([]);
        else
          expect([response.status, body.includes("query/bad-value")], `${column} ${attempt}`).toEqual([
            400,
            true,
          ]);
      }
    }
  });

  it("are unknown names everywhere else, with a status of the client's fault", async () => {
    for (const attempt of attempts) {
      const encoded = encodeURIComponent(attempt.replace("\ud800", ""));
      const targets = [
        `/views/every_type?${encoded}=1`,
        `/views/every_type?select=${encoded}`,
        `/views/every_type?limit=${encoded}`,
        `/views/every_type?snapshot=${encoded}`,
        `/views/every_type?_format=${encoded}`,
        `/views/every_type.${encoded}`,
        `/views/${encoded}`,
        `/views/${encoded}/schema`,
        `/views?${encoded}=1`,
      ];
      for (const target of targets) {
        const response = await get(target);
        const body = await response.text();
        expect(
          [400, 404, 406, 200].includes(response.status),
          `${target.slice(0, 80)} ${response.status}`,
        ).toBe(true);
        expect(body).not.toMatch(/read_parquet|Binder|FROM|Parser Error|\.parquet"|at .*\.ts:/);
      }
    }
  });
});

describe("the log", () => {
  it("holds routes and outcomes, never values of questions", async () => {
    lines.length = 0;
    await get("/views/every_type?gender=canary-value-1&limit=1");
    await get("/views/every_type?canary-name=1");
    await get("/views/canary-view");
    await get("/views/every_type?age=canary-age", { Authorization: "Bearer canary-token", Cookie: "canary" });
    const text = lines.join("");
    expect(text).not.toContain("canary");
    const first = JSON.parse(lines[0]!) as Record<string, unknown>;
    expect(first).toMatchObject({
      msg: "request",
      method: "GET",
      route: "/views/:view",
      view: "every_type",
      format: "json",
      status: 200,
      rowCount: 0,
    });
    expect(Object.keys(first)).toContain("requestId");
    expect(lines.map((line) => (JSON.parse(line) as { code?: string }).code)).toEqual([
      undefined,
      "serving/unknown-parameter",
      "query/unknown-view",
      "query/bad-value",
    ]);
  });

  it("blanks secret fields even when they are passed by mistake", () => {
    const written: string[] = [];
    const log = createLogger({ destination: { write: (line) => void written.push(line) } });
    log.warn("slip", {
      authorization: "canary",
      sql: "canary",
      url: "canary",
      value: "canary",
      fine: "kept",
    });
    expect(written.join("")).not.toContain("canary");
    expect(written.join("")).toContain("kept");
  });
});

describe("health", () => {
  it("is fine when the process runs, and ready only with a readable snapshot", async () => {
    expect(await (await get("/healthz")).json()).toMatchObject({ status: "ok" });
    expect(await (await get("/readyz")).json()).toEqual({
      status: "ready",
      snapshot: 2,
      asOf: "2026-01-02T12:00:00.000Z",
    });
    expect(await (await get("/snapshots")).json()).toEqual({
      snapshots: [
        { id: 2, asOf: "2026-01-02T12:00:00.000Z" },
        { id: 1, asOf: "2026-01-01T12:00:00.000Z" },
      ],
    });
  });

  it("is not ready while the lake is empty or its files cannot be read, and says no more than that", async () => {
    const empty: LakeCatalog = {
      latest: async () => undefined,
      at: lake.catalog.at,
      snapshots: async () => [],
    };
    const broken: LakeCatalog = {
      ...lake.catalog,
      latest: async () => {
        const reader = (await lake.catalog.latest())!;
        const view = {
          ...reader.views.get("every_type")!,
          relation: async () => "(SELECT * FROM read_parquet(['/nonexistent/secret.parquet']))",
        };
        return { ...reader, views: new Map([["every_type", view]]) };
      },
      at: async (id) => {
        const reader = await lake.catalog.at(id);
        const view = {
          ...reader.views.get("every_type")!,
          relation: async () => "(SELECT * FROM read_parquet(['/nonexistent/secret.parquet']))",
        };
        return { ...reader, views: new Map([["every_type", view]]) };
      },
    };
    for (const catalog of [empty, broken]) {
      const query = createQuery({ catalog, database, temporaryFolder: lake.folder });
      const other = createApp({ catalog, query, clock: systemClock, log: silentLogger });
      const ready = await other.request("http://localhost/readyz");
      expect(ready.status).toBe(503);
      expect(await ready.text()).not.toContain("secret");
      expect((await other.request("http://localhost/healthz")).status).toBe(200);
      expect((await other.request("http://localhost/views/every_type")).status).toBe(503);
    }
  });
});
