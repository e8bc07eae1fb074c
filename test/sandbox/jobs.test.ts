import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Database } from "#duckdb";
import { createQuery, type QueryService } from "#query";
import { createApp, JOB_LIMITS, type JobLimits, Jobs, type ServingApp, silentLogger } from "#serving";
import { createParquetLake, everyType, manyRows, type ParquetLake } from "../support/parquet-lake.js";

let lake: ParquetLake;
let folder: string;
let database: Database;
let query: QueryService;
let now = Date.parse("2026-06-01T12:00:00Z");
const clock = { now: () => new Date(now) };
const open: Jobs[] = [];

/** Runs for minutes. */
const ENDLESS = "SELECT sum(a.n * b.n + c.n) AS s FROM many a, many b, many c";

beforeAll(async () => {
  lake = await createParquetLake();
  database = await Database.open({ preserveInsertionOrder: true, threads: 1 });
  await lake.commit([everyType, manyRows("many", 30_000)]);
  query = createQuery(
    { catalog: lake.catalog, database, temporaryFolder: path.join(lake.folder, "tmp") },
    { sandbox: { threads: 1 } },
  );
});

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-jobs-"));
});

afterEach(async () => {
  for (const jobs of open.splice(0)) await jobs.close();
  await expect.poll(() => lake.held()).toBe(0);
  await rm(folder, { recursive: true, force: true });
});

afterAll(async () => {
  await query.close();
  database.close();
  await lake.close();
});

/** A server as it is after its start. */
async function serve(
  limits: Partial<JobLimits> = {},
): Promise<{ readonly app: ServingApp; readonly jobs: Jobs }> {
  const jobs = new Jobs(folder, clock, { ...JOB_LIMITS, ...limits });
  open.push(jobs);
  await jobs.sweep();
  return { jobs, app: createApp({ catalog: lake.catalog, query, clock, log: silentLogger, jobs }) };
}

async function submit(app: ServingApp, body: object, target = "/jobs", prefer?: string): Promise<Response> {
  return await app.request(`http://localhost${target}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...(prefer === undefined ? {} : { Prefer: prefer }) },
    body: JSON.stringify(body),
  });
}

async function get(
  app: ServingApp,
  target: string,
  headers: Record<string, string> = {},
  method = "GET",
): Promise<Response> {
  return await app.request(`http://localhost${target}`, { headers, method });
}

interface JobDocument {
  readonly id: string;
  readonly state: string;
  readonly [member: string]: unknown;
}

async function document(app: ServingApp, address: string): Promise<JobDocument> {
  return (await (await get(app, address)).json()) as JobDocument;
}

/** Submits a statement and waits for its end; answers with the job's address. */
async function finished(app: ServingApp, body: object): Promise<string> {
  const address = (await submit(app, body)).headers.get("Location")!;
  await expect
    .poll(async () => (await document(app, address)).state, { timeout: 20_000 })
    .toMatch(/done|failed/);
  return address;
}

const problemCode = async (response: Response): Promise<string> =>
  `${response.status} ${((await response.json()) as { type: string }).type.replace("urn:fhir-lake:error:", "")}`;

const CSV = { sql: "SELECT n, display FROM many ORDER BY n", format: "csv" };

describe("jobs", () => {
  it("are accepted at once, tell how far they are, and have their result fetched whole or in parts", async () => {
    const { app } = await serve();
    const accepted = await submit(app, CSV, "/sql", "respond-async");
    expect(accepted.status).toBe(202);
    expect(accepted.headers.get("Preference-Applied")).toBe("respond-async");
    const address = accepted.headers.get("Location")!;
    expect(await accepted.json()).toMatchObject({ state: "queued", query: "answer", format: "csv" });
    await expect.poll(async () => (await document(app, address)).state, { timeout: 20_000 }).toBe("done");
    const done = await document(app, address);
    expect(done).toMatchObject({
      rows: 30_000,
      progress: 1,
      result: `${address}/result`,
      expiresAt: "2026-06-02T12:00:00.000Z",
    });
    const whole = await get(app, `${address}/result`);
    const bytes = Buffer.from(await whole.arrayBuffer());
    expect(bytes.length).toBe(done["bytes"]);
    expect(bytes.toString().split("\n")).toHaveLength(30_002);
    expect(Object.fromEntries(whole.headers)).toMatchObject({
      "accept-ranges": "bytes",
      "content-type": "text/csv; charset=utf-8",
      "content-disposition": 'attachment; filename="answer.csv"',
      "x-lake-snapshot": "1",
      "x-row-count": "30000",
      "x-truncated": "false",
    });
    const tag = whole.headers.get("ETag")!;
    const part = await get(app, `${address}/result`, { Range: "bytes=1000-", "If-Range": tag });
    expect([part.status, part.headers.get("Content-Range")]).toEqual([
      206,
      `bytes 1000-${bytes.length - 1}/${bytes.length}`,
    ]);
    const resumed = Buffer.concat([bytes.subarray(0, 1000), Buffer.from(await part.arrayBuffer())]);
    expect(createHash("sha256").update(resumed).digest("hex")).toBe(
      createHash("sha256").update(bytes).digest("hex"),
    );
    const tail = await get(app, `${address}/result`, { Range: "bytes=-5" });
    expect(await tail.text()).toBe(bytes.subarray(-5).toString());
    expect((await get(app, `${address}/result`, { Range: "bytes=5-4" })).status).toBe(200);
    expect((await get(app, `${address}/result`, { Range: "bytes=0-1", "If-Range": '"other"' })).status).toBe(
      200,
    );
    expect(await problemCode(await get(app, `${address}/result`, { Range: "bytes=99999999-" }))).toBe(
      "416 serving/bad-range",
    );
    expect((await get(app, `${address}/result`, { "If-None-Match": tag })).status).toBe(304);
    const head = await get(app, `${address}/result`, {}, "HEAD");
    expect([head.headers.get("Content-Length"), await head.text()]).toEqual([String(bytes.length), ""]);
  });

  it("say why they failed, without a result", async () => {
    const { app } = await serve();
    const address = await finished(app, { sql: "SELECT CAST(note AS INTEGER) FROM every_type" });
    expect(await document(app, address)).toMatchObject({
      state: "failed",
      error: { code: "query/sql-failed" },
    });
    expect(await problemCode(await get(app, `${address}/result`))).toBe("409 serving/job-not-done");
    expect(await problemCode(await submit(app, { sqll: "" }))).toBe("400 serving/bad-sql-request");
    expect(await problemCode(await get(app, "/jobs/00000000-0000-0000-0000-000000000000"))).toBe(
      "404 serving/no-such-job",
    );
    expect(await problemCode(await get(app, "/jobs/..%2f..%2fetc"))).toBe("404 serving/no-such-job");
  });

  it("wait for their turn, and can be cancelled before and after it", async () => {
    const { app } = await serve({ waiting: 1 });
    const first = (await submit(app, { sql: ENDLESS })).headers.get("Location")!;
    await expect.poll(async () => (await document(app, first)).state).toBe("running");
    const second = (await submit(app, CSV)).headers.get("Location")!;
    expect((await document(app, second)).state).toBe("queued");
    expect(await problemCode(await submit(app, CSV))).toBe("503 serving/too-many-jobs");
    expect(await problemCode(await get(app, `${first}/result`))).toBe("409 serving/job-not-done");
    expect((await get(app, second, {}, "DELETE")).status).toBe(204);
    expect((await get(app, first, {}, "DELETE")).status).toBe(204);
    expect(await problemCode(await get(app, first))).toBe("404 serving/no-such-job");
    expect(await readdir(folder)).toEqual([]);
  });

  it("keep within the disk that they are given", async () => {
    const { app } = await serve({ diskBytes: 200_000 });
    const address = await finished(app, CSV);
    expect(await document(app, address)).toMatchObject({
      state: "failed",
      error: { code: "serving/jobs-full" },
    });
    expect(await readdir(path.join(folder, address.slice("/jobs/".length)))).toEqual(["job.json"]);
    const small = await finished(app, { ...CSV, limit: 4_000 });
    expect(await document(app, small)).toMatchObject({ state: "done" });
    const beyond = await finished(app, { ...CSV, limit: 4_000 });
    expect(await document(app, beyond)).toMatchObject({
      state: "failed",
      error: { code: "serving/jobs-full" },
    });
    await get(app, small, {}, "DELETE");
    expect(await document(app, await finished(app, { ...CSV, limit: 4_000 }))).toMatchObject({
      state: "done",
    });
    const { app: none } = await serve({ diskBytes: 1_000 });
    expect(await problemCode(await submit(none, CSV))).toBe("503 serving/jobs-full");
  });

  it("keep their result for its time, then say that it is gone, then are forgotten", async () => {
    const { app, jobs } = await serve();
    const address = await finished(app, { ...CSV, limit: 1 });
    try {
      now += JOB_LIMITS.resultMs;
      expect(await problemCode(await get(app, `${address}/result`))).toBe("410 serving/job-gone");
      expect(await problemCode(await get(app, address))).toBe("410 serving/job-gone");
      expect(await readdir(path.join(folder, address.slice("/jobs/".length)))).toEqual(["job.json"]);
      now += JOB_LIMITS.recordMs;
      await jobs.sweep();
      expect(await readdir(folder)).toEqual([]);
    } finally {
      now -= JOB_LIMITS.resultMs + JOB_LIMITS.recordMs;
    }
  });

  it("that were done outlive their server; those under way are lost with it, and said to be", async () => {
    const before = await serve();
    const done = await finished(before.app, { ...CSV, limit: 3 });
    const running = (await submit(before.app, { sql: ENDLESS })).headers.get("Location")!;
    const waiting = (await submit(before.app, CSV)).headers.get("Location")!;
    await before.jobs.close();
    // As a server that was killed leaves it: its process is gone, the record says otherwise.
    const killed = (await submit((await serve()).app, CSV)).headers.get("Location")!.slice("/jobs/".length);
    await open.pop()!.close();
    const file = path.join(folder, killed, "job.json");
    const record = JSON.parse(await readFile(file, "utf8")) as { process: object };
    await writeFile(
      file,
      JSON.stringify({ ...record, state: "running", process: { ...record.process, began: "1" } }),
    );
    await writeFile(path.join(folder, killed, "result"), "half");
    const { app } = await serve();
    expect(await (await get(app, `${done}/result`)).text()).toBe(
      'n,display\n0,"some ""display"", text 0"\n1,"some ""display"", text 1"\n2,"some ""display"", text 2"\n',
    );
    for (const address of [running, waiting, `/jobs/${killed}`]) {
      const response = await get(app, address);
      expect(await problemCode(response.clone())).toBe("410 serving/job-gone");
      expect(((await response.json()) as { detail: string }).detail).toContain("stopped before");
    }
    expect(await readdir(path.join(folder, killed))).toEqual(["job.json"]);
    const listed = (await (await get(app, "/jobs")).json()) as { jobs: JobDocument[] };
    expect(listed.jobs.map(({ state }) => state).sort()).toEqual(["done", "gone", "gone", "gone"]);
  });

  it("lose their results when a person is erased, those under way too", async () => {
    const { app, jobs } = await serve();
    const done = await finished(app, { ...CSV, limit: 3 });
    const running = (await submit(app, { sql: ENDLESS })).headers.get("Location")!;
    await expect.poll(async () => (await document(app, running)).state).toBe("running");
    await jobs.forget();
    for (const address of [done, running])
      expect(await problemCode(await get(app, address))).toBe("410 serving/job-gone");
    expect(await problemCode(await get(app, `${done}/result`))).toBe("410 serving/job-gone");
    now += 1;
    expect((await document(app, await finished(app, { ...CSV, limit: 1 }))).state).toBe("done");
  });
});
