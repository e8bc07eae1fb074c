import { readFile } from "node:fs/promises";
import path from "node:path";
import { context, propagation, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Database } from "#duckdb";
import { packageRoot, systemClock } from "#kernel";
import { createQuery } from "#query";
import { createParquetLake, everyType, manyRows, type ParquetLake } from "../../test/support/parquet-lake.js";
import { createApp, type ServingApp } from "../app.js";
import { createLogger } from "../log.js";

const CANARY = "ZQX-CANARY";

let lake: ParquetLake;
let database: Database;
let app: ServingApp;
const lines: string[] = [];
const spans = new InMemorySpanExporter();

beforeAll(async () => {
  lake = await createParquetLake();
  database = await Database.open({ preserveInsertionOrder: true, threads: 2 });
  await lake.commit([everyType, manyRows("many", 30_000)]);
  const temporaryFolder = path.join(lake.folder, "tmp");
  const query = createQuery({ catalog: lake.catalog, database, temporaryFolder });
  const log = createLogger({ destination: { write: (line) => void lines.push(line) } });
  const speed = () => Promise.resolve({ liveResources: 7, position: 40, head: 42 });
  const hotCopies = () => ({ copies: 3, bytes: 4096 });
  const deadLetters = () => [
    { source: "hospital", code: "invalid-json", count: 3 },
    { source: "hospital", code: "missing-id", count: 1 },
  ];
  app = createApp({ catalog: lake.catalog, query, clock: systemClock, log, speed, deadLetters, hotCopies });
});

afterAll(async () => {
  expect(lake.held()).toBe(0);
  database.close();
  await lake.close();
});

afterEach(() => {
  trace.disable();
  context.disable();
  propagation.disable();
  spans.reset();
});

function keepTraces(): void {
  trace.setGlobalTracerProvider(
    new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: spans })] }),
  );
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
}

const get = async (target: string, headers: Record<string, string> = {}): Promise<string> => {
  const response = await app.request(`http://localhost${target}`, { headers });
  return await response.text();
};

/** The samples of a metric: labels as they are written, and the value. */
async function samples(name: string): Promise<Map<string, number>> {
  const text = await get("/metrics");
  const found = text.matchAll(new RegExp(`^${name}(?:\\{([^}]*)\\})? (\\S+)$`, "gm"));
  return new Map([...found].map(([, labels = "", value]) => [labels, Number(value)]));
}

describe("metrics", () => {
  it("count requests by pattern of the route, status and format, and rows by format", async () => {
    const label = 'method="GET",route="/views/:view",status="200",format="csv"';
    const [before, rows] = [
      (await samples("fhir_lake_http_requests_total")).get(label) ?? 0,
      (await samples("fhir_lake_rows_sent_total")).get('format="csv"') ?? 0,
    ];
    await get("/views/many.csv?limit=10");
    await get("/views/many.csv");
    await get("/views/many.csv?n=oops");
    const after = await samples("fhir_lake_http_requests_total");
    expect(after.get(label)).toBe(before + 2);
    expect(after.get(label.replace("200", "400"))).toBe(1);
    expect((await samples("fhir_lake_rows_sent_total")).get('format="csv"')).toBe(rows + 30_010);
    const durations = await samples("fhir_lake_http_request_duration_seconds_count");
    expect(durations.get('method="GET",route="/views/:view"')).toBeGreaterThanOrEqual(3);
    // Only the request for metrics itself.
    expect((await samples("fhir_lake_http_requests_in_progress")).get("")).toBe(1);
  });

  it("tell the state of the lake, of the journal and of the process", async () => {
    expect((await samples("fhir_lake_up")).get("")).toBe(1);
    expect((await samples("fhir_lake_snapshot_id")).get("")).toBe(1);
    expect((await samples("fhir_lake_snapshot_age_seconds")).get("")).toBeGreaterThan(0);
    expect(Object.fromEntries(await samples("fhir_lake_state"))).toEqual({
      'state="ok"': 1,
      'state="stale"': 0,
      'state="incomplete"': 0,
      'state="degraded"': 0,
    });
    expect((await samples("fhir_lake_live_resources")).get("")).toBe(7);
    expect((await samples("fhir_lake_journal_unread")).get("")).toBe(2);
    expect((await samples("fhir_lake_hot_copies")).get("")).toBe(3);
    expect((await samples("fhir_lake_hot_copy_bytes")).get("")).toBe(4096);
    expect((await samples("fhir_lake_statements_in_progress")).get("")).toBe(0);
    expect((await samples("process_resident_memory_bytes")).get("")).toBeGreaterThan(1e6);
  });

  it("count notifications that were refused, by source and reason", async () => {
    expect(Object.fromEntries(await samples("fhir_lake_dead_letters_total"))).toEqual({
      'source="hospital",code="invalid-json"': 3,
      'source="hospital",code="missing-id"': 1,
    });
    expect(await get("/metrics")).toContain("# TYPE fhir_lake_dead_letters_total counter");
  });

  it("are all described in docs/observability.md", async () => {
    const manual = await readFile(path.join(packageRoot(), "docs", "observability.md"), "utf8");
    const named = new Set([...manual.matchAll(/`([a-z_]+)`/g)].map(([, name]) => name));
    const names = [...(await get("/metrics")).matchAll(/^# TYPE fhir_lake_(\w+) /gm)].map(
      ([, name]) => name!,
    );
    expect(names.length).toBeGreaterThan(12);
    expect(names.filter((name) => !named.has(name))).toEqual([]);
  });

  it("have no label that a caller can make up", async () => {
    for (const at of [`/${CANARY}`, `/views/${CANARY}`, `/views/many?display=${CANARY}`, `/pins/${CANARY}`]) {
      await get(at, { "X-Request-Id": CANARY });
      await app.request(`http://localhost${at}`, { method: "PROPFIND" });
      await app.request(`http://localhost${at}`, { method: CANARY });
    }
    const text = await get("/metrics");
    expect(text).not.toContain(CANARY);
    expect(text).not.toContain("PROPFIND");
    expect(text).toContain('method="other",route="none",status="404"');
  });
});

describe("Server-Timing", () => {
  it("tells the parts of an answer in milliseconds", async () => {
    const response = await app.request("http://localhost/views/many.json?limit=3");
    const parts = response.headers.get("Server-Timing")!.split(", ");
    expect(parts.map((part) => part.split(";")[0])).toEqual(["open", "plan", "scan", "encode", "total"]);
    for (const part of parts) expect(part).toMatch(/^\w+;dur=\d+\.\d$/);
    const other = await app.request("http://localhost/healthz");
    expect(other.headers.get("Server-Timing")).toMatch(/^total;dur=\d+\.\d$/);
  });
});

describe("traces", () => {
  it("have a span for the request and one for each part, joined to the trace of the caller, and name no value", async () => {
    keepTraces();
    const traceId = "0af7651916cd43dd8448eb211c80319c";
    await get(`/views/many.json?limit=3&display=neq.${CANARY}`, {
      traceparent: `00-${traceId}-b7ad6b7169203331-01`,
      Authorization: `Bearer ${CANARY}`,
    });
    const finished = spans.getFinishedSpans();
    expect(finished.map(({ name }) => name).sort()).toEqual([
      "GET /views/:view",
      "encode",
      "open",
      "plan",
      "scan",
    ]);
    const root = finished.find(({ name }) => name.startsWith("GET"))!;
    for (const span of finished) {
      expect(span.spanContext().traceId).toBe(traceId);
      if (span !== root) expect(span.parentSpanContext?.spanId).toBe(root.spanContext().spanId);
    }
    expect(root.attributes).toMatchObject({
      "http.request.method": "GET",
      "http.route": "/views/:view",
      "http.response.status_code": 200,
      "fhir_lake.view": "many",
      "fhir_lake.format": "json",
      "fhir_lake.rows": 3,
    });
    const told = finished.map(({ name, attributes, status, events }) => ({
      name,
      attributes,
      status,
      events,
    }));
    expect(JSON.stringify(told)).not.toContain(CANARY);
  });

  it("name the code of an error, and logs name the trace", async () => {
    keepTraces();
    lines.length = 0;
    await get(`/views/many.json?n=${CANARY}`);
    const root = spans.getFinishedSpans().find(({ name }) => name.startsWith("GET"))!;
    expect(root.attributes["error.type"]).toBe("query/bad-value");
    const line = JSON.parse(lines.at(-1)!) as Record<string, unknown>;
    expect(line["traceId"]).toBe(root.spanContext().traceId);
  });

  it("are not kept, and cost no id in the log, where nobody asked for them", async () => {
    lines.length = 0;
    await get("/healthz");
    expect(JSON.parse(lines.at(-1)!)).not.toHaveProperty("traceId");
    expect(spans.getFinishedSpans()).toEqual([]);
  });
});

describe("logs", () => {
  it("hold nothing that a caller sends: neither in addresses, nor headers, nor bodies", async () => {
    lines.length = 0;
    const headers = {
      Authorization: `Bearer ${CANARY}`,
      Cookie: `session=${CANARY}`,
      "User-Agent": CANARY,
      "If-None-Match": `"${CANARY}"`,
      Accept: CANARY,
    };
    const targets = [
      `/views/${CANARY}`,
      `/views/many.${CANARY}`,
      `/views/many?${CANARY}=1`,
      `/views/many?display=eq.${CANARY}`,
      `/views/many?n=${CANARY}`,
      `/views/many?order=${CANARY}`,
      `/views/many?select=${CANARY}`,
      `/views/many?cursor=${CANARY}`,
      `/views/many?or=(display.eq.${CANARY}`,
      `/views/many?pin=${CANARY}`,
      `/pins/${CANARY}`,
      `/ingest/runs/${CANARY}`,
      `/${CANARY}`,
    ];
    for (const target of targets) {
      await get(target);
      await get(target, headers);
      const body = JSON.stringify({ name: CANARY, [CANARY]: CANARY });
      const sent = { "Content-Type": "application/json" };
      await app.request(`http://localhost${target}`, { method: "POST", body, headers: sent });
    }
    await app.request("http://localhost/pins", {
      method: "POST",
      body: CANARY,
      headers: { "Content-Type": "application/json" },
    });
    expect(lines.length).toBe(targets.length * 3 + 1);
    expect(lines.join("")).not.toContain(CANARY);
    for (const line of lines) {
      const { msg, requestId, route } = JSON.parse(line) as Record<string, string>;
      expect(msg).toBe("request");
      expect(requestId).toMatch(/^[0-9a-f-]{36}$/);
      if (route !== undefined) expect(route).toMatch(/^\/[a-z/:]*$/);
    }
  });

  it("hold no rows, whatever is read", async () => {
    lines.length = 0;
    for (const format of ["json", "csv", "html", "parquet"]) {
      const response = await app.request(`http://localhost/views/every_type.${format}`);
      await response.arrayBuffer();
    }
    const text = lines.join("");
    for (const value of ["Patient/1", "female", "12345678901234567890", "1980-01-31"]) {
      expect(text).not.toContain(value);
    }
    expect(text).toContain('"rowCount":4');
  });
});
