import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Database } from "#duckdb";
import { LakeError, systemClock } from "#kernel";
import { createQuery, type LakeCatalog, type QueryService, type SnapshotReader, type ViewRead } from "#query";
import { createParquetLake, manyRows, type ParquetLake } from "../test/support/parquet-lake.js";
import { createApp } from "./app.js";
import { createLogger } from "./log.js";
import { allowedHosts, type RunningServer, type ServerSettings, startServer } from "./server.js";

let lake: ParquetLake;
let database: Database;
const running: RunningServer[] = [];
const lines: string[] = [];
const ROWS = 300_000;

/** The service as it is, but answers to the view `torn` break after two megabytes. */
function tearing(query: QueryService): QueryService {
  async function* torn(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    let size = 0;
    for await (const part of body) {
      yield part;
      size += part.byteLength;
      if (size > 2 * 1024 * 1024)
        throw new LakeError("internal", "duckdb/stream-failed", "canary in an engine message");
    }
  }
  return {
    ...query,
    readOpened: async (snapshot, question) => {
      const read = await query.readOpened(snapshot, question);
      if (question.view !== "torn") return read;
      const encode: ViewRead["encode"] = async (format, options) => {
        const result = await read.encode(format, options);
        return { ...result, body: torn(result.body) };
      };
      return { ...read, encode };
    },
  };
}

/** Adds a view that is torn, and one that fails on its last row. */
const failing = (reader: SnapshotReader): SnapshotReader => {
  const many = reader.views.get("many")!;
  const relation = async () =>
    `(SELECT * REPLACE (CASE WHEN n = ${ROWS - 1} THEN error('canary in an engine message') ELSE display END AS display) FROM ${await many.relation()})`;
  return {
    ...reader,
    views: new Map([
      ...reader.views,
      ["failing", { ...many, name: "failing", relation }],
      ["torn", { ...many, name: "torn" }],
    ]),
  };
};

beforeAll(async () => {
  lake = await createParquetLake();
  database = await Database.open({ preserveInsertionOrder: true, threads: 2 });
  await lake.commit([manyRows("many", ROWS)]);
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.close()));
  expect(lake.held()).toBe(0);
});

afterAll(async () => {
  database.close();
  await lake.close();
});

async function start(settings: Partial<ServerSettings> = {}): Promise<RunningServer> {
  const catalog: LakeCatalog = {
    ...lake.catalog,
    latest: async () => failing((await lake.catalog.latest())!),
    at: async (id) => failing(await lake.catalog.at(id)),
  };
  const query = tearing(createQuery({ catalog, database, temporaryFolder: path.join(lake.folder, "tmp") }));
  const log = createLogger({ destination: { write: (line) => void lines.push(line) } });
  const host = "127.0.0.1";
  const app = createApp({ catalog, query, clock: systemClock, log, allowedHosts: allowedHosts(host)! });
  const server = await startServer(app, { port: 0, host, ...settings });
  running.push(server);
  return server;
}

interface Download {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly body: string;
  readonly complete: boolean;
}

/** Downloads by plain node:http, which tells a body that ended from one that was cut. */
function download(server: RunningServer, target: string): Promise<Download> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${server.url}${target}`, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("error", () => undefined);
      response.on("close", () =>
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          body: Buffer.concat(parts).toString(),
          complete: response.complete,
        }),
      );
    });
    request.on("error", reject);
    request.end();
  });
}

async function released(): Promise<void> {
  for (let tries = 0; tries < 200 && lake.held() > 0; tries++) await sleep(20);
  expect(lake.held()).toBe(0);
}

describe("a server", () => {
  it("answers over a socket, small answers with their length and big ones chunked", async () => {
    const server = await start();
    const small = await download(server, "/views/many.csv?limit=2");
    expect(small).toMatchObject({ status: 200, complete: true });
    expect(small.headers["content-length"]).toBe(String(Buffer.byteLength(small.body)));
    const big = await download(server, "/views/many.ndjson");
    expect(big).toMatchObject({ status: 200, complete: true });
    expect(big.headers["transfer-encoding"]).toBe("chunked");
    expect(big.body.trimEnd().split("\n")).toHaveLength(ROWS);
    const parquet = await download(server, "/views/many.parquet?select=n");
    expect(parquet).toMatchObject({ status: 200, complete: true });
    expect(Number(parquet.headers["content-length"])).toBeGreaterThan(1000);
  });

  it.each(["json", "ndjson", "csv", "arrow"])(
    "breaks the connection visibly when %s fails part way",
    async (format) => {
      const server = await start();
      lines.length = 0;
      const cut = await download(server, `/views/torn.${format}`);
      expect(cut.status).toBe(200);
      expect(cut.complete).toBe(false);
      expect(cut.body.length).toBeGreaterThan(1024 * 1024);
      expect(cut.body).not.toContain("canary");
      expect(cut.body.slice(-100)).not.toContain("Error");
      await released();
      expect(lines.join("")).toContain("answer cut short");
      expect(lines.join("")).not.toContain("canary");
      expect((await download(server, "/healthz")).status).toBe(200);
    },
  );

  it("gives a real status when the rows themselves cannot be computed", async () => {
    const server = await start();
    for (const target of [
      "/views/failing.parquet",
      "/views/failing.ndjson",
      "/views/failing.arrow",
      `/views/failing.json?n=${ROWS - 1}`,
      `/views/failing.html?n=${ROWS - 1}`,
    ]) {
      const answer = await download(server, target);
      expect(answer, target).toMatchObject({ status: 500, complete: true });
      expect(answer.body).not.toContain("canary");
      expect(JSON.parse(answer.body)).toMatchObject({ type: expect.stringContaining("duckdb/") as string });
    }
  });

  it("stops the query and gives everything back when the client goes", async () => {
    const server = await start();
    for (const format of ["ndjson", "arrow"]) {
      await new Promise<void>((resolve, reject) => {
        const request = httpRequest(`${server.url}/views/many.${format}`, (response) => {
          response.once("data", () => {
            response.destroy();
            resolve();
          });
          response.on("error", () => undefined);
        });
        request.on("error", reject);
        request.end();
      });
      await released();
    }
  });

  it("keeps memory flat while a slow client reads 300,000 rows", async () => {
    const server = await start();
    await download(server, "/views/many.ndjson?limit=50000");
    globalThis.gc?.();
    const before = process.memoryUsage().rss;
    let peak = before;
    let rows = 0;
    await new Promise<void>((resolve, reject) => {
      const request = httpRequest(`${server.url}/views/many.ndjson`, (response) => {
        response.on("data", (part: Buffer) => {
          for (const byte of part) if (byte === 10) rows += 1;
          peak = Math.max(peak, process.memoryUsage().rss);
          response.pause();
          setTimeout(() => response.resume(), 1);
        });
        response.on("end", resolve);
        response.on("error", reject);
      });
      request.end();
    });
    expect(rows).toBe(ROWS);
    // The body is over 60 MB; what is held at once are a few chunks and the buffers of the engine and the sockets.
    expect((peak - before) / 1e6).toBeLessThan(150);
  });

  it("cuts clients that send no headers, and refuses host names that are not its own", async () => {
    const server = await start({ headersTimeoutMs: 300, requestTimeoutMs: 600 });
    const closed = await new Promise<boolean>((resolve) => {
      const socket = connect(server.port, "127.0.0.1", () =>
        socket.write("GET /healthz HTTP/1.1\r\nHost: loc"),
      );
      socket.resume();
      socket.on("close", () => resolve(true));
      socket.on("error", () => resolve(true));
      setTimeout(() => resolve(false), 10_000).unref();
    });
    expect(closed).toBe(true);
    const status = await new Promise<number>((resolve, reject) => {
      const request = httpRequest(
        `${server.url}/views`,
        { headers: { Host: "evil.example" } },
        (response) => {
          response.resume();
          resolve(response.statusCode!);
        },
      );
      request.on("error", reject);
      request.end();
    });
    expect(status).toBe(421);
  });

  it("refuses connections above its number", async () => {
    const server = await start({ maxConnections: 1 });
    const first = connect(server.port, "127.0.0.1");
    await new Promise<void>((resolve) => first.once("connect", resolve));
    const second = connect(server.port, "127.0.0.1");
    second.on("error", () => undefined);
    await new Promise<void>((resolve) => second.once("close", () => resolve()));
    first.destroy();
  });

  it("says which port is taken", async () => {
    const server = await start();
    await expect(start({ port: server.port })).rejects.toMatchObject({
      code: "serving/cannot-listen",
      message: expect.stringContaining(String(server.port)) as string,
    });
  });

  it("finishes answers under way when it is closed, and accepts no new ones", async () => {
    const server = await start();
    const answer = download(server, "/views/many.json");
    await sleep(30);
    const closing = server.close();
    await expect(download(server, "/healthz")).rejects.toMatchObject({ code: "ECONNREFUSED" });
    expect(await answer).toMatchObject({ status: 200, complete: true });
    await closing;
    await server.close();
  });

  it("cuts answers that take longer than the deadline of a shutdown", async () => {
    const server = await start({ shutdownTimeoutMs: 200 });
    const socket = connect(server.port, "127.0.0.1", () => {
      socket.write(`GET /views/many.json HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n\r\n`);
    });
    socket.on("error", () => undefined);
    await sleep(200);
    await server.close();
    await released();
    socket.destroy();
  });
});
