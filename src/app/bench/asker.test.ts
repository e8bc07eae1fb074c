import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { Asker, type AskerOptions } from "./asker.js";
import { FhirReads } from "./fhir-reads.js";

let server: Server | undefined;
let asker: Asker | undefined;

afterEach(() => {
  asker?.close();
  server?.close();
});

interface Reply {
  readonly status?: number;
  readonly body: unknown;
  readonly gzip?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A server whose answers a function gives by request; what it was asked is kept. */
async function serve(
  answer: (request: IncomingMessage, base: string) => Reply | Promise<Reply>,
  options: Partial<AskerOptions> = {},
): Promise<{ asker: Asker; asked: IncomingMessage[]; base: string }> {
  const asked: IncomingMessage[] = [];
  const reply = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    asked.push(request);
    const { port } = here.address() as AddressInfo;
    const { status = 200, body, gzip, headers } = await answer(request, `http://127.0.0.1:${port}`);
    const text = typeof body === "string" ? body : JSON.stringify(body);
    response.writeHead(status, { ...headers, ...(gzip === true ? { "Content-Encoding": "gzip" } : {}) });
    response.end(gzip === true ? gzipSync(text) : text);
  };
  const here = createServer((request, response) => void reply(request, response));
  server = here;
  await new Promise<void>((resolve) => here.listen(0, "127.0.0.1", resolve));
  const base = `http://127.0.0.1:${(here.address() as AddressInfo).port}`;
  asker = new Asker({ name: "FHIR server", base: `${base}/`, ...options });
  return { asker, asked, base };
}

const READ_OPTIONS = { pageSize: 2, parallel: 3, patientsPerSearch: 2, byOffset: false };
const patient = (id: number) => ({ resource: { resourceType: "Patient", id: `p${id}` } });

describe("asking", () => {
  it("counts requests and the bytes that came over the wire, for each fork by itself", async () => {
    const body = { text: "x".repeat(10_000) };
    const { asker: one } = await serve(() => ({ body, gzip: true }));
    const fork = one.fork();
    expect(await fork.get("a")).toEqual(body);
    expect(fork.spent.requests).toBe(1);
    expect(fork.spent.bytes).toBe(gzipSync(JSON.stringify(body)).byteLength);
    expect(one.spent).toEqual({ requests: 0, bytes: 0, waits: 0 });
  });

  it("sends no condition, so that no answer is 304", async () => {
    const { asker: one, asked } = await serve(() => ({ body: {} }));
    await one.get("a");
    await one.get("a");
    expect(asked.map(({ headers }) => [headers["if-none-match"], headers["if-modified-since"]])).toEqual([
      [undefined, undefined],
      [undefined, undefined],
    ]);
  });

  it("stops at the number of requests that is allowed, forks counted together", async () => {
    const { asker: one, asked } = await serve(() => ({ body: {} }), { mostRequests: 3 });
    await one.get("a");
    await one.fork().get("a");
    await one.fork().get("a");
    await expect(one.fork().get("a")).rejects.toMatchObject({ code: "bench/too-many-requests" });
    expect(asked).toHaveLength(3);
  });

  it("leaves the time that is asked for between the starts of requests", async () => {
    const waits: number[] = [];
    const wait = (ms: number): Promise<void> => {
      waits.push(Math.ceil(ms / 60_000));
      return Promise.resolve();
    };
    const { asker: one } = await serve(() => ({ body: {} }), { gapMs: 60_000, wait });
    await Promise.all([one.get("a"), one.fork().get("b"), one.get("c")]);
    expect(waits).toEqual([1, 2]);
  });

  it("asks again where a kept connection was ended as it was used, but for a POST", async () => {
    const seen = new WeakSet<Socket>();
    const { asker: one } = await serve(({ socket }) => {
      // The second request on a connection finds it ended.
      if (seen.has(socket)) socket.destroy();
      seen.add(socket);
      return { body: {} };
    });
    await one.get("a");
    expect(await one.get("b")).toEqual({});
    await expect(one.send("POST", "c", {})).rejects.toMatchObject({ code: "bench/unreachable" });
  });

  it("does not follow a link to another origin, where the token would go too", async () => {
    const { asker: one } = await serve(() => ({ body: {} }), { headers: { Authorization: "Bearer secret" } });
    await expect(one.get("http://localhost:1/next")).rejects.toMatchObject({ code: "bench/foreign-link" });
  });

  it("says the status of a refusal and no id of a patient", async () => {
    const { asker: one } = await serve(() => ({ status: 403, body: "no" }));
    await expect(one.get("Patient/some-person/$everything?x=y")).rejects.toMatchObject({
      code: "bench/refused",
      message: "The FHIR server answered GET Patient with 403.",
    });
  });
});

/** Answers with these statuses first, and well after them; what was waited, in whole seconds, is kept. */
async function busyServer(
  busy: readonly { readonly status: number; readonly retryAfter?: string }[],
  options: Partial<AskerOptions> = {},
): Promise<{ asker: Asker; asked: IncomingMessage[]; waited: number[] }> {
  const waited: number[] = [];
  const wait = (ms: number): Promise<void> => {
    waited.push(Math.round(ms / 1000));
    return Promise.resolve();
  };
  let at = 0;
  const answer = (): Reply => {
    const { status = 200, retryAfter } = busy[at++] ?? {};
    return { status, body: {}, headers: retryAfter === undefined ? {} : { "Retry-After": retryAfter } };
  };
  return { ...(await serve(answer, { wait, ...options })), waited };
}

describe("a server that asks for less", () => {
  it.each([
    ["seconds", "7", 7],
    ["a date", new Date(Date.now() + 20_000).toUTCString(), 20],
    ["nothing", undefined, 1],
  ])("is asked again after the wait that its Retry-After names: %s", async (_, retryAfter, seconds) => {
    const busy = { status: 429, ...(retryAfter === undefined ? {} : { retryAfter }) };
    const { asker: one, asked, waited } = await busyServer([busy]);
    expect(await one.get("Patient?_count=1")).toEqual({});
    expect(asked.map(({ url }) => url)).toEqual(["/Patient?_count=1", "/Patient?_count=1"]);
    expect(waited).toHaveLength(1);
    // A date has whole seconds, and some time goes by.
    expect(Math.abs(waited[0]! - seconds)).toBeLessThanOrEqual(1);
    expect(one.spent).toMatchObject({ requests: 2, waits: 1 });
  });

  it("is left alone after four times, each wait twice as long as the one before", async () => {
    const busy = Array.from({ length: 9 }, () => ({ status: 503 }));
    const { asker: one, asked, waited } = await busyServer(busy, { gapMs: 1 });
    await expect(one.get("Patient/somebody")).rejects.toMatchObject({
      code: "bench/throttled",
      message: expect.stringMatching(/GET Patient with 503, 4 times running.*--per-second/) as string,
    });
    expect(asked).toHaveLength(4);
    expect(waited.filter((seconds) => seconds > 0)).toEqual([1, 2, 4]);
  });

  it("is left alone at once when it asks for a wait of more than a minute", async () => {
    const { asker: one, asked } = await busyServer([{ status: 503, retryAfter: "600" }]);
    await expect(one.get("a")).rejects.toMatchObject({
      code: "bench/throttled",
      message: expect.stringContaining("a wait of 600 s") as string,
    });
    expect(asked).toHaveLength(1);
  });

  it("lets every request wait, not only the one that it answered so", async () => {
    const { asker: one, waited } = await busyServer([{ status: 429, retryAfter: "30" }]);
    await one.get("a");
    await one.fork().get("b");
    expect(waited).toEqual([30, 30]);
  });

  it("is not asked in a heavier way instead", async () => {
    const busy = Array.from({ length: 4 }, () => ({ status: 429 }));
    const { asker: one, asked } = await busyServer(busy);
    const reads = new FhirReads(one, READ_OPTIONS);
    const ways = [
      () => reads.operation("Observation/$lastn", {}),
      () => reads.search("Observation", {}),
    ] as const;
    await expect(reads.firstOf("q", ...ways)).rejects.toMatchObject({ code: "bench/throttled" });
    expect(asked.every(({ url }) => url!.includes("lastn"))).toBe(true);
  });
});

describe("the bound of bytes", () => {
  const body = { text: "x".repeat(100_000) };

  it("holds for all answers together, forks too", async () => {
    const { asker: one } = await serve(() => ({ body }), { mostBytes: 250_000 });
    await one.get("a");
    await one.fork().get("b");
    await expect(one.fork().get("c")).rejects.toMatchObject({
      code: "bench/too-many-bytes",
      message: expect.stringContaining("--max-bytes") as string,
    });
  });

  it("holds for what a small answer unpacks to", async () => {
    const { asker: one } = await serve(() => ({ body, gzip: true }), { mostBytes: 50_000 });
    await expect(one.get("a")).rejects.toMatchObject({ code: "bench/too-many-bytes" });
  });
});

describe("reading a FHIR server", () => {
  it("follows next links to the end where pages are opaque", async () => {
    const { asker: one } = await serve(({ url = "" }, base) => {
      const at = Number(/at=(\d)/.exec(url)?.[1] ?? 0);
      const link = at < 2 ? [{ relation: "next", url: `${base}/pages?at=${at + 1}` }] : [];
      return { body: { entry: [patient(at * 2), patient(at * 2 + 1)], link, total: 6 } };
    });
    const found = await new FhirReads(one, READ_OPTIONS).search("Patient", {});
    expect(found.map(({ id }) => id)).toEqual(["p0", "p1", "p2", "p3", "p4", "p5"]);
  });

  it("fetches all later pages at once where the server numbers places and tells the total, none twice, none left out", async () => {
    let most = 0;
    let now = 0;
    const { asker: one, asked } = await serve(async ({ url = "" }, base) => {
      most = Math.max(most, ++now);
      await sleep(30);
      now--;
      const at = Number(/_getpagesoffset=(\d+)/.exec(url)?.[1] ?? 0);
      const entry = [at, at + 1].filter((id) => id < 7).map(patient);
      const link =
        at + 2 < 7 ? [{ relation: "next", url: `${base}/?_getpages=r&_getpagesoffset=${at + 2}` }] : [];
      return { body: { entry, link, total: 7 } };
    });
    const found = await new FhirReads(one, READ_OPTIONS).search("Patient", {});
    expect(found.map(({ id }) => id).sort()).toEqual(["p0", "p1", "p2", "p3", "p4", "p5", "p6"]);
    expect(asked).toHaveLength(4);
    expect(most).toBeGreaterThan(1);
  });

  it("leaves out what a search includes beside the type asked for, and messages about the search", async () => {
    const outcome = { resource: { resourceType: "OperationOutcome", id: "o" }, search: { mode: "outcome" } };
    const { asker: one } = await serve(() => ({ body: { entry: [patient(1), outcome] } }));
    const found = await new FhirReads(one, READ_OPTIONS).search("Patient", {});
    expect(found.map(({ id }) => id)).toEqual(["p1"]);
  });

  it("asks for many patients in searches of a few ids", async () => {
    const { asker: one, asked } = await serve(() => ({ body: { entry: [] } }));
    await new FhirReads(one, READ_OPTIONS).ofPatients("Observation", ["a", "b", "c"], { code: "x" });
    const lists = asked.map(({ url }) => new URL(url!, "http://x").searchParams.get("patient"));
    expect(lists.sort()).toEqual(["Patient/a,Patient/b", "Patient/c"]);
  });

  it("tries a way that the server refuses once, and takes the next one from then on", async () => {
    const { asker: one, asked } = await serve(({ url = "" }) =>
      url.includes("lastn") ? { status: 400, body: {} } : { body: { entry: [patient(1)] } },
    );
    const reads = new FhirReads(one, READ_OPTIONS);
    const question = () =>
      reads.firstOf(
        "q",
        () => reads.operation("Observation/$lastn", {}),
        () => reads.search("Patient", {}),
      );
    expect(await question()).toHaveLength(1);
    expect(await question()).toHaveLength(1);
    expect(asked.filter(({ url }) => url!.includes("lastn"))).toHaveLength(1);
  });
});
