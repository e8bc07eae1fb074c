import { randomUUID } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { tableFromIPC } from "apache-arrow";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Database } from "#duckdb";
import { systemClock } from "#kernel";
import { createQuery, type QueryService } from "#query";
import { createApp, type RunningServer, type ServingApp, silentLogger, startServer } from "#serving";
import { createParquetLake, everyType, manyRows, type ParquetLake } from "../support/parquet-lake.js";
import { parquetRows } from "../support/result-bytes.js";
import { sqlProcesses } from "../support/sql-processes.js";

let lake: ParquetLake;
let folder: string;
let database: Database;
let query: QueryService;
let app: ServingApp;
/** Runs its statements in one process, one after the other. */
let reusing: QueryService;
let quick: ServingApp;
let server: RunningServer;

/** Runs for minutes. */
const ENDLESS = "SELECT sum(a.n * b.n + c.n) AS s FROM many a, many b, many c";

beforeAll(async () => {
  lake = await createParquetLake();
  folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-sql-http-"));
  database = await Database.open({ preserveInsertionOrder: true, threads: 1 });
  query = createQuery(
    { catalog: lake.catalog, database, temporaryFolder: folder },
    { sandbox: { threads: 1 } },
  );
  const serving = { catalog: lake.catalog, clock: systemClock, log: silentLogger, maxRows: 20_000 };
  app = createApp({ ...serving, query });
  reusing = createQuery(
    { catalog: lake.catalog, database, temporaryFolder: folder },
    { sandbox: { threads: 1 } },
  );
  quick = createApp({ ...serving, query: reusing });
  await lake.commit([{ ...everyType, select: `${everyType.select} WHERE patient_key = 'Patient/1'` }]);
  await lake.commit([everyType, manyRows("many", 30_000)]);
  server = await startServer(app, { host: "127.0.0.1", port: 0 });
});

/** Processes that do something: one whose statement was refused is kept for the next. */
async function busy(): Promise<number[]> {
  const before = new Map(sqlProcesses().map(({ pid, cpuSeconds }) => [pid, cpuSeconds]));
  await sleep(100);
  return sqlProcesses()
    .filter(({ pid, cpuSeconds }) => cpuSeconds > (before.get(pid) ?? 0))
    .map(({ pid }) => pid);
}

afterEach(async () => {
  await expect.poll(() => lake.held(), { timeout: 5_000 }).toBe(0);
});

afterAll(async () => {
  await server.close();
  await query.close();
  await reusing.close();
  expect(await readdir(folder)).toEqual([]);
  database.close();
  await lake.close();
  await rm(folder, { recursive: true, force: true });
});

async function post(body: unknown, target = "/sql", headers: Record<string, string> = {}): Promise<Response> {
  return await quick.request(`http://localhost${target}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

interface Problem {
  readonly type: string;
  readonly status: number;
  readonly detail: string;
}

async function problem(body: unknown, target?: string, headers?: Record<string, string>): Promise<Problem> {
  const response = await post(body, target, headers);
  expect(response.headers.get("Content-Type")).toBe("application/problem+json");
  return (await response.json()) as Problem;
}

describe("POST /sql", () => {
  it("answers one SELECT with its rows, and says which state they are from", async () => {
    const response = await post({
      sql: "SELECT patient_key, value_text::DECIMAL(10,2) AS v FROM every_type ORDER BY 1 LIMIT 1",
    });
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "application/json",
      "x-lake-snapshot": "2",
      "x-lake-as-of": "2026-01-02T12:00:00.000Z",
      "x-row-count": "1",
      "x-row-limit": "20000",
      "x-truncated": "false",
      "x-query-id": expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
    });
    expect(await response.text()).toBe('[\n{"patient_key":"Patient/1","v":1.10}\n]\n');
  });

  it("binds parameters by name, numbers as the literals that they are", async () => {
    const sql = `SELECT typeof($i) AS i, typeof($b) AS b, typeof($h) AS h, typeof($d) AS d, $d AS dv, typeof($e) AS e, typeof($t) AS t, typeof($o) AS o,
      $n IS NULL AS n, $since::DATE AS since, $codes AS codes, typeof($mixed) AS mixed, $MIXED AS m, typeof($none) AS none`;
    const body = `{"sql": ${JSON.stringify(sql)}, "params": {"i": 42, "b": 9007199254740993, "h": 9223372036854775808, "d": 1.10, "e": 1e3, "t": "x' OR 1=1 --",
      "o": true, "n": null, "since": "2026-01-31", "codes": ["a", null, "b,c"], "mixed": [1, 2.50, null], "none": []}}`;
    expect(JSON.parse(await (await post(body)).text())).toEqual([
      {
        i: "INTEGER",
        b: "BIGINT",
        h: "HUGEINT",
        d: "DECIMAL(3,2)",
        dv: 1.1,
        e: "DOUBLE",
        t: "VARCHAR",
        o: "BOOLEAN",
        n: true,
        since: "2026-01-31",
        codes: ["a", null, "b,c"],
        mixed: "DECIMAL(3,2)[]",
        m: [1, 2.5, null],
        none: "VARCHAR[]",
      },
    ]);
    const listed = {
      sql: "SELECT count(*) AS n FROM many WHERE n IN $ns OR n = $2",
      params: { ns: [1, 2, 99_999_999_999] },
    };
    expect(await problem(listed)).toMatchObject({ status: 400 });
    const positional = await post({
      sql: "SELECT count(*) AS n FROM many WHERE n >= ? AND n < ?",
      params: [10, 20],
    });
    expect(await positional.json()).toEqual([{ n: 10 }]);
  });

  it.each([
    [{ sql: "SELECT $a" }, "query/sql-parameter", "'$a' has no value"],
    [{ sql: "SELECT $aa", params: { ab: 1 } }, "query/sql-parameter", "Did you mean"],
    [{ sql: "SELECT 1", params: { a: 1 } }, "query/sql-parameter", "no parameter '$a'"],
    [{ sql: "SELECT $a::DATE", params: { a: "canary" } }, "query/sql-parameter", "is no DATE"],
    [{ sql: "SELECT $a", params: { a: { b: 1 } } }, "query/sql-parameter", "nor a list"],
    [{ sql: "SELECT $a", params: { a: [1, "canary"] } }, "query/sql-parameter", "all text, or all numbers"],
    [{ sql: "SELECT $a", params: { a: 1, A: 2 } }, "query/sql-parameter", "same name"],
    [{ sql: "SELECT $a", params: "canary" }, "query/sql-parameter", "an object"],
    [{ sql: "SELECT CAST(note AS INTEGER) FROM every_type" }, "query/sql-failed", "try_cast"],
    [{ sql: "SELECT agee FROM every_type" }, "query/sql-invalid", "age"],
    [{ sql: "SELECT * FROM every_typ" }, "query/unknown-view", "'every_type'"],
    [{ sql: "SELECT 1; SELECT 2" }, "query/sql-refused", "one SELECT"],
    [{ query: "SELECT 1" }, "serving/bad-sql-request", '"query"'],
    [{ sql: "SELECT 1", limit: -1 }, "serving/bad-sql-request", "limit"],
    [{ sql: 1 }, "serving/bad-sql-request", "text"],
    [{}, "serving/bad-sql-request", "statement"],
    [[], "serving/bad-sql-request", "object"],
  ])("refuses %j with %s", async (body, code, said) => {
    const { type, status, detail } = await problem(body);
    expect([type, status < 500]).toEqual([`urn:fhir-lake:error:${code}`, true]);
    expect(detail).toContain(said);
    expect(detail).not.toContain("canary");
  });

  it("refuses what the address does not know, and formats that there are not", async () => {
    const sql = { sql: "SELECT 1 AS a" };
    expect(await problem(sql, "/sql?snapshots=1")).toMatchObject({ status: 400 });
    expect(await problem({ ...sql, format: "pdf" })).toMatchObject({ status: 406 });
    expect(await problem({ ...sql, format: "html" })).toMatchObject({ status: 406 });
    expect(await problem(sql, "/sql?excel=1")).toMatchObject({ status: 400 });
    expect(await problem(sql, "/sql", { "X-Query-Id": "mine" })).toMatchObject({ status: 400 });
  });

  it("reads the state that the address names", async () => {
    const sql = { sql: "SELECT count(*) AS n FROM every_type" };
    expect(await (await post(sql)).json()).toEqual([{ n: 4 }]);
    const old = await post(sql, "/sql?snapshot=1");
    expect(old.headers.get("X-Lake-State")).toBe("pinned");
    expect(await old.json()).toEqual([{ n: 1 }]);
    expect(await (await post(sql, "/sql?as_of=2026-01-01T13:00:00Z")).json()).toEqual([{ n: 1 }]);
    expect(await problem(sql, "/sql?snapshot=99")).toMatchObject({ status: 404 });
  });

  it("says in every form when a limit cuts rows off", async () => {
    const sql = "SELECT n FROM many ORDER BY n DESC";
    const cut = await post({ sql, limit: 2, format: "csv" });
    expect(cut.headers.get("X-Truncated")).toBe("true");
    expect(cut.headers.get("X-Row-Limit")).toBe("2");
    expect(cut.headers.get("Content-Disposition")).toBe('attachment; filename="answer.csv"');
    expect(await cut.text()).toBe("n\n29999\n29998\n");
    const envelope = (await (await post({ sql, limit: 2 }, "/sql?envelope=1")).json()) as Record<
      string,
      unknown
    >;
    expect(envelope).toMatchObject({ rowCount: 2, rowLimit: 2, truncated: true, snapshot: 2 });
    const whole = await post({ sql: "SELECT n FROM many WHERE n < 2", limit: 2 });
    expect(whole.headers.get("X-Truncated")).toBe("false");
    const capped = await post({ sql, format: "csv" });
    expect([capped.headers.get("X-Row-Limit"), capped.headers.get("X-Truncated")]).toEqual(["20000", "true"]);
    expect((await capped.text()).split("\n")).toHaveLength(20_002);
  });

  it("gives the same rows in every format", async () => {
    const sql = 'SELECT n, display, "at" FROM many WHERE n < 100 ORDER BY n';
    const bytes = async (format: string): Promise<Buffer> => {
      const response = await post({ sql, format });
      expect(response.status).toBe(200);
      return Buffer.from(await response.arrayBuffer());
    };
    const rows = JSON.parse((await bytes("json")).toString()) as { n: number; display: string }[];
    const pairs = rows.map(({ n, display }) => [n, display]);
    expect(pairs).toHaveLength(100);
    const parquet = await parquetRows(await bytes("parquet"));
    expect(parquet.map((row) => [row["n"], row["display"]])).toEqual(pairs);
    for (const format of ["arrow", "arrows"]) {
      const table = tableFromIPC(await bytes(format));
      expect(table.toArray().map((row: { n: number; display: string }) => [row.n, row.display])).toEqual(
        pairs,
      );
    }
    expect((await bytes("ndjson")).toString().trim().split("\n")).toHaveLength(100);
    expect((await bytes("tsv")).toString().split("\n")).toHaveLength(102);
    expect((await bytes("md")).toString().split("\n").length).toBeGreaterThan(100);
    expect((await bytes("xlsx")).subarray(0, 2).toString()).toBe("PK");
  });
});

describe("a statement under way", () => {
  const address = (id: string): string => `${server.url}/queries/${id}`;

  function begin(
    sql: string,
    signal?: AbortSignal,
  ): { readonly id: string; readonly response: Promise<Response> } {
    const id = randomUUID();
    const response = fetch(`${server.url}/sql`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Query-Id": id },
      body: JSON.stringify({ sql }),
      ...(signal === undefined ? {} : { signal }),
    });
    response.catch(() => undefined);
    return { id, response };
  }

  /** Waits until a statement runs: starting a process takes less than this, on a busy machine too. */
  async function atWork(): Promise<void> {
    await expect
      .poll(() => sqlProcesses().some(({ cpuSeconds }) => cpuSeconds > 2.5), { timeout: 90_000 })
      .toBe(true);
  }

  it("can be looked at and cancelled by its id, and takes no processor a second later", async () => {
    const { id, response } = begin(ENDLESS);
    await atWork();
    expect(await (await fetch(address(id))).json()).toMatchObject({ id, state: "preparing" });
    const [pid] = await busy();
    const cancelled = await fetch(address(id), { method: "DELETE" });
    expect(await cancelled.json()).toMatchObject({ state: "cancelled" });
    expect((await response).status).toBe(409);
    await sleep(1_000);
    expect(sqlProcesses().map((one) => one.pid)).not.toContain(pid);
    expect(await (await fetch(address(id))).json()).toMatchObject({ state: "cancelled", rows: 0 });
    expect((await fetch(address(randomUUID()))).status).toBe(404);
  }, 240_000);

  it("ends within a second when its client goes, before the answer and within it", async () => {
    const before = new AbortController();
    begin(ENDLESS, before.signal);
    await atWork();
    before.abort();
    await expect.poll(busy, { timeout: 1_000, interval: 10 }).toEqual([]);
    const within = new AbortController();
    const { id, response } = begin("SELECT a.n, repeat(b.display, 50) FROM many a, many b", within.signal);
    // The limit of this server cuts it; what is kept of the rows is more than the pipe holds.
    const reader = (await response).body!.getReader();
    await reader.read();
    within.abort();
    await expect.poll(busy, { timeout: 1_000, interval: 10 }).toEqual([]);
    await expect
      .poll(async () => (await (await fetch(address(id))).json()) as object)
      .toMatchObject({ state: "failed" });
  }, 240_000);

  it("that loses its process is an error of its own, and the server answers on", async () => {
    const { response } = begin(ENDLESS);
    await atWork();
    for (const { pid } of sqlProcesses()) process.kill(pid, "SIGKILL");
    const { type } = (await (await response).json()) as Problem;
    expect(type).toBe("urn:fhir-lake:error:query/sql-crashed");
    expect((await fetch(`${server.url}/views/every_type?limit=1`)).status).toBe(200);
  }, 240_000);

  it("whose id is taken is refused", async () => {
    const { id } = begin(ENDLESS);
    await atWork();
    const again = await fetch(`${server.url}/sql`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Query-Id": id },
      body: '{"sql": "SELECT 1"}',
    });
    expect(again.status).toBe(409);
    await fetch(address(id), { method: "DELETE" });
  }, 240_000);
});
