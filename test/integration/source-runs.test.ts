import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isLakeError } from "#kernel";
import { Lease, Ledger } from "#runs";
import { runAndTell } from "../../src/app/source-run/run-and-tell.js";
import { runSource } from "../../src/app/source-run/run-source.js";
import { runScheduler } from "../../src/app/source-run/scheduler.js";
import type { SourceDefinition } from "../../src/app/source-run/source.js";
import type { Turn } from "../../src/app/source-run/turn.js";
import { type FhirServer, startFhirServer } from "../support/fhir-server/index.js";
import { SourceLake, serverRows } from "../support/source-lake.js";

const TYPES = ["Patient"];
let server: FhirServer;
let lake: SourceLake;
beforeEach(async () => {
  server = await startFhirServer({ export: { retryAfter: 0 } });
  for (let i = 1; i <= 5; i++)
    server.store.put("Patient", `p${i}`, `{"resourceType":"Patient","id":"p${i}"}`);
});
afterEach(async () => {
  await lake.close();
  await server.close();
});

function definition(of: SourceLake): SourceDefinition {
  return { name: "main", config: of.config.sources["main"]!, folder: ".", environment: { HOOK: "s3cret" } };
}

describe("runs of one source", () => {
  it("happen one at a time: of two that start together one is refused", async () => {
    lake = await SourceLake.open({ url: server.url, kind: "bulk", types: TYPES });
    const other = await SourceLake.open(
      { url: server.url, kind: "bulk", types: TYPES },
      { location: lake.lake.store.location },
    );
    const results = await Promise.allSettled([lake.run(), other.run()]);
    const refused = results.filter(
      (r) => r.status === "rejected" && isLakeError(r.reason, "runs/lease-held"),
    );
    expect(refused).toHaveLength(1);
    expect(await lake.live()).toEqual(serverRows(server, TYPES));
    expect((await other.run()).record.state).toBe("succeeded");
    await other.close();
  });

  it("that were told to stop are resumed with the files they had, and nothing is fetched twice", async () => {
    await server.close();
    server = await startFhirServer({
      export: { retryAfter: 0 },
      changes: { export: { rowsPerFile: 2, gzip: false } },
    });
    for (let i = 1; i <= 20; i++)
      server.store.put("Patient", `p${i}`, `{"resourceType":"Patient","id":"p${i}"}`);
    lake = await SourceLake.open({ url: server.url, kind: "bulk", types: TYPES, concurrency: 1 });
    const stop = new AbortController();
    server.faults.add({ match: { pattern: "_files" }, fault: { kind: "delay", milliseconds: 150 } });
    const first = lake.run({ signal: stop.signal });
    while (server.requests.filesFetched().size < 3) await new Promise((resolve) => setTimeout(resolve, 20));
    stop.abort();
    expect((await first).record).toMatchObject({ state: "interrupted", snapshot: null });
    const second = await lake.run();
    expect(second.record).toMatchObject({ state: "succeeded", resumes: (await first).record.runId });
    expect(second.record.statistics!.resumedFiles).toBeGreaterThanOrEqual(2);
    // The one that was on its way when the run stopped may come again.
    const fetched = [...server.requests.filesFetched().values()];
    expect(fetched.reduce((sum, times) => sum + times - 1, 0)).toBeLessThanOrEqual(1);
    expect(await lake.live()).toEqual(serverRows(server, TYPES));
  });
});

describe("webhooks", () => {
  it("hear of a failed run, signed and without data", async () => {
    const heard: { headers: Record<string, unknown>; body: string }[] = [];
    let answers = [500, 204];
    const receiver = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk) => (body += String(chunk)));
      request.on("end", () => {
        heard.push({ headers: request.headers, body });
        response.statusCode = answers.shift() ?? 204;
        response.end();
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
    const webhooks = [{ url, secret: { env: "HOOK" }, on: ["failure"] }];
    lake = await SourceLake.open(
      { url: server.url, kind: "bulk", types: TYPES, attempts: 1 },
      { config: { webhooks } },
    );
    server.faults.add({ match: { pattern: "export" }, fault: { kind: "status", status: 500 } });
    const { record } = await runAndTell(lake.context, { source: definition(lake), trigger: "command" });
    expect(record).toMatchObject({
      state: "failed",
      error: { code: expect.stringContaining("source/") as string },
    });
    expect(heard).toHaveLength(2);
    const { headers, body } = heard[1]!;
    expect(JSON.parse(body)).toMatchObject({
      event: "failure",
      source: "main",
      runId: record.runId,
      state: "failed",
    });
    const expected = createHmac("sha256", "s3cret").update(
      `${String(headers["x-fhir-lake-timestamp"])}.${body}`,
    );
    expect(headers["x-fhir-lake-signature"]).toBe(`sha256=${expected.digest("hex")}`);
    answers = [];
    server.faults.clear();
    await runAndTell(lake.context, { source: definition(lake), trigger: "command" });
    expect(heard).toHaveLength(2);
    receiver.close();
  });
});

describe("staleness", { timeout: 120_000 }, () => {
  it("is told once each time a source falls behind, by whoever notices, without any schedule", async () => {
    const heard: string[] = [];
    const receiver = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk) => (body += String(chunk)));
      request.on("end", () => {
        heard.push(body);
        response.statusCode = 204;
        response.end();
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
    lake = await SourceLake.open(
      { url: server.url, kind: "bulk", types: TYPES, attempts: 1, stalenessTarget: "1h" },
      { config: { webhooks: [{ url, on: ["staleness"] }] } },
    );
    const source = definition(lake);
    await runAndTell(lake.context, { source, trigger: "command" });
    expect(heard).toEqual([]);
    const upTo = Object.values((await lake.lake.head()).sources["main"]!.watermarks!).sort()[0];
    // Two servers watch; hours later both notice, and one of them tells.
    const late = { now: () => new Date(Date.now() + 7_200_000), sleep: lake.context.clock.sleep };
    const stop = new AbortController();
    const watching = [1, 2].map(() =>
      runScheduler({
        context: { ...lake.context, clock: late },
        sources: [source],
        signal: stop.signal,
        tickMs: 5,
      }),
    );
    while (heard.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, 100));
    stop.abort();
    await Promise.all(watching);
    expect(heard.map((body) => JSON.parse(body) as unknown)).toMatchObject([
      { event: "staleness", source: "main", upTo, targetMs: 3_600_000 },
    ]);
    // A run that fails while the source is behind brings no second word.
    server.faults.add({ match: { pattern: "export" }, fault: { kind: "status", status: 500 } });
    await runAndTell({ ...lake.context, clock: late }, { source, trigger: "command" });
    expect(heard).toHaveLength(1);
    server.faults.clear();
    // It has caught up; the next time counts again.
    await runAndTell(lake.context, { source, trigger: "command" });
    server.faults.add({ match: { pattern: "export" }, fault: { kind: "status", status: 500 } });
    await runAndTell({ ...lake.context, clock: late }, { source, trigger: "command" });
    expect(heard).toHaveLength(2);
    receiver.close();
  });
});

describe("the scheduler", { timeout: 120_000 }, () => {
  it("makes up once for the times that passed, then waits for the next", async () => {
    lake = await SourceLake.open({
      url: server.url,
      kind: "bulk",
      types: TYPES,
      schedule: { cron: "0 2 * * *", timeZone: "UTC" },
    });
    // The first run was days ago; four nights were missed since.
    let now = Date.parse("2026-11-17T01:00:00Z");
    const clock = { now: () => new Date(now), sleep: lake.context.clock.sleep };
    await lake.run();
    const context = { ...lake.context, clock };
    const runs = new Ledger({ store: lake.lake.store, clock });
    for (const { runId } of await runs.list()) {
      for await (const { key } of lake.lake.store.list(`runs/${runId}/`)) await lake.lake.store.delete(key);
    }
    const source = definition(lake);
    await runAndTell(context, { source, trigger: "command" });
    now = Date.parse("2026-11-21T12:00:00Z");
    server.store.put("Patient", "new", '{"resourceType":"Patient","id":"new"}');
    const stop = new AbortController();
    const outcomes: string[] = [];
    const scheduler = runScheduler({
      context,
      sources: [source],
      signal: stop.signal,
      tickMs: 20,
      onOutcome: ({ record }) => {
        outcomes.push(`${record.trigger} ${record.state} ${record.startedAt}`);
        // The next night comes.
        now = outcomes.length === 1 ? Date.parse("2026-11-22T02:00:00Z") : now;
        if (outcomes.length === 2) setTimeout(() => stop.abort(), 200);
      },
    });
    await scheduler;
    expect(outcomes).toEqual([
      "schedule succeeded 2026-11-21T12:00:00.000Z",
      "schedule succeeded 2026-11-22T02:00:00.000Z",
    ]);
    expect(await lake.live()).toEqual(serverRows(server, TYPES));
  });
});

describe("a run that lost its lease without noticing", () => {
  it("commits nothing once a later run has committed", async () => {
    lake = await SourceLake.open({ url: server.url, kind: "bulk", types: TYPES });
    const { store } = lake.lake;
    let asked = 0;
    const slow = {
      ...lake.context,
      // Stops for a while before it lands, as a process that was paused does.
      turn: {
        take: async <T>(work: () => Promise<T>): Promise<T> => {
          asked++;
          while (asked < 100) await new Promise((resolve) => setTimeout(resolve, 20));
          return work();
        },
      } as unknown as Turn,
    };
    const zombie = runSource(slow, { source: definition(lake), trigger: "command" });
    while (asked === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    const stolen = await Lease.take(
      { store, clock: lake.context.clock, hasEnded: () => true },
      "source-main",
      "x",
    );
    await stolen.release();
    server.store.put("Patient", "late", '{"resourceType":"Patient","id":"late"}');
    expect((await lake.run()).record.state).toBe("succeeded");
    const next = await lake.run();
    expect(next.record.state).toBe("succeeded");
    const before = (await lake.lake.head()).id;
    asked = 100;
    const { error } = await zombie;
    expect(["lake/fenced", "runs/ledger-moved", "runs/lease-lost"]).toContain(error?.code);
    expect((await lake.lake.head()).sources["main"]?.run).toBe(next.record.runId);
    expect((await lake.lake.head()).id).toBe(before);
    expect(await lake.live()).toEqual(serverRows(server, TYPES));
  });
});
