import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FetchedState } from "../../test/support/fetched-state.js";
import { type OddAnswer, type OddServer, startOddServer } from "../../test/support/odd-fhir-server.js";
import { createFhirHttp, type FhirHttp } from "../http/index.js";
import type { FetchedBatch } from "../source/fetched.js";
import { fetchBySearch, type SearchFetchOptions } from "./fetch-by-search.js";

const NOW = "2026-05-05T12:00:00.500Z";
const TIME = (second: number): string =>
  new Date(Date.parse("2026-05-05T11:00:00Z") + second * 1000).toISOString();

let workDir: string;
const open: { close(): Promise<void> }[] = [];
beforeEach(() => {
  workDir = mkdtempSync(path.join(tmpdir(), "odd-"));
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
  rmSync(workDir, { recursive: true, force: true });
});

interface Entry {
  readonly resource?: Readonly<Record<string, unknown>>;
  readonly search?: { readonly mode: string };
  readonly request?: Readonly<Record<string, string>>;
  readonly response?: Readonly<Record<string, string>>;
  readonly fullUrl?: string;
}

function patient(
  id: string,
  second: number | undefined,
  versionId = "1",
  more: Record<string, unknown> = {},
): Entry {
  const { meta: moreMeta, ...rest } = more;
  const meta = {
    versionId,
    ...(second === undefined ? {} : { lastUpdated: TIME(second) }),
    ...(moreMeta as object),
  };
  return { resource: { resourceType: "Patient", id, meta, ...rest }, search: { mode: "match" } };
}

function bundle(entries: readonly Entry[], next?: string, more: Record<string, unknown> = {}): OddAnswer {
  const link = next === undefined ? [] : [{ relation: "next", url: next }];
  return {
    body: {
      resourceType: "Bundle",
      type: "searchset",
      meta: { lastUpdated: NOW },
      link,
      entry: entries,
      ...more,
    },
  };
}

/** Answers counts, and everything else by `pages`. */
async function serve(
  pages: (url: URL, method: string) => OddAnswer,
  count = 0,
): Promise<{ server: OddServer; http: FhirHttp }> {
  const server = await startOddServer((url, method) => {
    const past = url.searchParams
      .getAll("_lastUpdated")
      .some((value) => value === "lt1970-01-01T00:00:00.000Z");
    if (url.searchParams.get("_summary") === "count")
      return bundle([], undefined, { total: past ? 0 : count });
    return pages(url, method);
  });
  const http = createFhirHttp({ baseUrl: server.url, auth: { kind: "none" }, maxAttempts: 1 });
  open.push(server, http);
  return { server, http };
}

function fetch(http: FhirHttp, more: Partial<SearchFetchOptions> = {}): Promise<FetchedBatch> {
  return fetchBySearch({ http, workDir, types: ["Patient"], since: {}, history: true, pageSize: 3, ...more });
}

function lines(batch: FetchedBatch): string[] {
  return batch.files.flatMap(({ path: file }) => readFileSync(file, "utf8").trimEnd().split("\n"));
}

function ids(batch: FetchedBatch): string[] {
  return lines(batch).map((line) => (JSON.parse(line) as { id: string }).id);
}

describe("pages", () => {
  it("may hold what was not asked for; it is left out", async () => {
    const outcome = {
      resource: { resourceType: "OperationOutcome", issue: [{ severity: "warning", code: "not-supported" }] },
      search: { mode: "outcome" },
    };
    const other = { resource: { resourceType: "Organization", id: "o" }, search: { mode: "include" } };
    const included = { ...patient("i", 2), search: { mode: "include" } };
    const { http } = await serve(() => bundle([patient("a", 1), other, included, outcome]), 1);
    const batch = await fetch(http);
    expect(ids(batch)).toEqual(["a"]);
    expect(batch.problems).toEqual([
      { severity: "warning", type: "Patient", message: expect.stringContaining("not-supported") as string },
    ]);
  });

  it("that the server calls incomplete hold back the watermark", async () => {
    const outcome = {
      resource: {
        resourceType: "OperationOutcome",
        issue: [{ severity: "error", code: "incomplete", diagnostics: "John Doe" }],
      },
      search: { mode: "outcome" },
    };
    const { http } = await serve(() => bundle([patient("a", 1), outcome]), 1);
    const batch = await fetch(http);
    expect(batch.incompleteTypes).toEqual(["Patient"]);
    expect(batch.watermarks).toEqual({});
    expect(JSON.stringify(batch.problems)).not.toContain("Doe");
  });

  it("may be empty and yet have a next one", async () => {
    const { server, http } = await serve((url) => {
      const page = Number(url.searchParams.get("page") ?? "0");
      return page < 3 ? bundle([], `${server.url}/Patient?page=${page + 1}`) : bundle([patient("a", 1)]);
    }, 1);
    expect(ids(await fetch(http))).toEqual(["a"]);
  });

  it("that lead in a circle end the fetch", async () => {
    const { server, http } = await serve(
      () => bundle([patient("a", 1), patient("b", 1)], `${server.url}/Patient?page=1`),
      2,
    );
    await expect(fetch(http)).rejects.toMatchObject({ code: "source/page-loop" });
  });

  it("without order are followed by their links", async () => {
    const found = [5, 3, 9, 1, 7, 2].map((second) => patient(`p${second}`, second));
    const { server, http } = await serve((url) => {
      const from = Number(url.searchParams.get("from") ?? "0");
      return bundle(
        found.slice(from, from + 2),
        from + 2 < found.length ? `${server.url}/Patient?from=${from + 2}` : undefined,
      );
    }, 6);
    expect(ids(await fetch(http)).sort()).toEqual(["p1", "p2", "p3", "p5", "p7", "p9"]);
  });

  it("without times are followed by their links", async () => {
    const { server, http } = await serve(
      (url) =>
        url.searchParams.has("more")
          ? bundle([patient("b", undefined)])
          : bundle([patient("a", undefined)], `${server.url}/Patient?more=1`),
      2,
    );
    expect(ids(await fetch(http))).toEqual(["a", "b"]);
  });

  it("may have relative links", async () => {
    const { http } = await serve(
      (url) =>
        url.searchParams.has("more")
          ? bundle([patient("b", undefined)])
          : bundle([patient("a", undefined)], "Patient?more=1"),
      2,
    );
    expect(ids(await fetch(http))).toEqual(["a", "b"]);
  });

  it("of parts of resources are not taken for the whole", async () => {
    const tag = [{ system: "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", code: "SUBSETTED" }];
    const { http } = await serve(() => bundle([patient("a", 1, "1", { meta: { tag } }), patient("b", 1)]), 2);
    const batch = await fetch(http);
    expect(ids(batch)).toEqual(["b"]);
    expect(batch.incompleteTypes).toEqual(["Patient"]);
  });

  it("too big to be taken are asked for in smaller ones", async () => {
    const found = [1, 2, 3, 4, 5, 6].map((second) =>
      patient(`p${second}`, second, "1", { x: "x".repeat(3000) }),
    );
    const { server } = await serve((url) => {
      const from = Date.parse(
        url.searchParams
          .getAll("_lastUpdated")
          .find((v) => v.startsWith("ge"))
          ?.slice(2) ?? TIME(0),
      );
      const offset = Number(url.searchParams.get("offset") ?? "0");
      const count = Number(url.searchParams.get("_count"));
      const rest = found.filter((_, i) => Date.parse(TIME(i + 1)) >= from).slice(offset);
      const next = `Patient?_lastUpdated=ge${new Date(from).toISOString()}&_count=${count}&offset=${offset + count}`;
      return bundle(rest.slice(0, count), rest.length > count ? next : undefined);
    }, 6);
    const http = createFhirHttp({
      baseUrl: server.url,
      auth: { kind: "none" },
      maxJsonBytes: 7000,
      maxAttempts: 1,
    });
    open.push(http);
    expect(new Set(ids(await fetch(http, { pageSize: 100 })))).toEqual(
      new Set(["p1", "p2", "p3", "p4", "p5", "p6"]),
    );
    expect(server.requests.some((request) => request.includes("_count=25"))).toBe(true);
    const tiny = createFhirHttp({
      baseUrl: server.url,
      auth: { kind: "none" },
      maxJsonBytes: 1000,
      maxAttempts: 1,
    });
    open.push(tiny);
    await expect(fetch(tiny, { overlapMs: 1 })).rejects.toMatchObject({ code: "source/answer-too-big" });
  });

  it("that are no Bundle end the fetch", async () => {
    const { http } = await serve(() => ({ body: { resourceType: "Patient" } }), 1);
    await expect(fetch(http)).rejects.toMatchObject({ code: "source/not-a-bundle" });
  });

  it("keep the bytes of their resources, printed on many lines or not", async () => {
    const text =
      '{\n "resourceType" : "Patient",\r\n "id":"a", "x":{"value":1.50,"s":"a  b\\"{é\\u00e9"}, "meta":{"lastUpdated":"2026-01-01T00:00:00Z"} }';
    const { http } = await serve(
      () => ({
        body: `{"resourceType":"Bundle","meta":{"lastUpdated":"${NOW}"},"entry":[ {"resource" : ${text} } ],"x":[1,{"a":[]}]}`,
      }),
      1,
    );
    expect(lines(await fetch(http))).toEqual([
      '{"resourceType":"Patient","id":"a","x":{"value":1.50,"s":"a  b\\"{é\\u00e9"},"meta":{"lastUpdated":"2026-01-01T00:00:00Z"}}',
    ]);
  });
});

describe("counts", () => {
  it("that are wrong while windows are made hide nothing", async () => {
    const found = Array.from({ length: 12 }, (_, i) => patient(`p${i}`, i * 100));
    const within = (url: URL): Entry[] => {
      const bound = (prefix: string, open: number): number => {
        const value = url.searchParams.getAll("_lastUpdated").find((one) => one.startsWith(prefix));
        return value === undefined ? open : Date.parse(value.slice(2));
      };
      const [from, to] = [bound("ge", -1), bound("lt", Number.MAX_SAFE_INTEGER)];
      return found.filter((_, i) => Date.parse(TIME(i * 100)) >= from && Date.parse(TIME(i * 100)) < to);
    };
    let counts = 0;
    const server = await startOddServer((url) => {
      const entries = within(url);
      if (url.searchParams.get("_summary") !== "count") return bundle(entries);
      // The parts of the first division are said to be empty.
      const total = ++counts > 3 && counts < 7 ? 0 : entries.length;
      return bundle([], undefined, { total });
    });
    const http = createFhirHttp({ baseUrl: server.url, auth: { kind: "none" } });
    open.push(server, http);
    expect(new Set(ids(await fetch(http, { windowSize: 4, pageSize: 100, concurrency: 1 }))).size).toBe(12);
  });

  it("that are never reached hold back the watermark only while passes find more", async () => {
    const { http } = await serve(() => bundle([patient("a", 1)]), 5);
    const batch = await fetch(http);
    expect(batch.incompleteTypes).toEqual([]);
    expect(batch.problems).toMatchObject([
      { severity: "warning", message: expect.stringContaining("4 more") as string },
    ]);
  });

  it("make a walk go round again until nothing is missing", async () => {
    let pass = 0;
    const { http } = await serve(
      () => (pass++ === 0 ? bundle([patient("a", 1)]) : bundle([patient("a", 1), patient("b", 2)])),
      2,
    );
    const batch = await fetch(http);
    expect(new Set(ids(batch))).toEqual(new Set(["a", "b"]));
    expect(batch.problems).toEqual([]);
  });
});

describe("clocks", () => {
  it("are the Date header's where Bundles tell none", async () => {
    const date = new Date(Date.parse(NOW) + 3_600_000);
    const headers = { date: date.toUTCString() };
    const server = await startOddServer(() => ({ headers, body: { resourceType: "Bundle", total: 0 } }));
    const http = createFhirHttp({ baseUrl: server.url, auth: { kind: "none" } });
    open.push(server, http);
    const batch = await fetch(http);
    expect(Date.parse(batch.transactionTime)).toBe(Math.floor(date.getTime() / 1000) * 1000);
  });

  it("are not those of the newest resource in a Bundle", async () => {
    const server = await startOddServer((url) => {
      const past = url.searchParams.getAll("_lastUpdated").includes("lt1970-01-01T00:00:00.000Z");
      const lastUpdated = past ? NOW : TIME(1);
      return bundle(past ? [] : [patient("a", 1)], undefined, { meta: { lastUpdated }, total: past ? 0 : 1 });
    });
    const http = createFhirHttp({ baseUrl: server.url, auth: { kind: "none" } });
    open.push(server, http);
    const batch = await fetch(http);
    expect(batch.transactionTime).toBe("2026-05-05T12:00:00.000Z");
    expect(ids(batch)).toEqual(["a"]);
  });

  it("that are missing altogether end the fetch", async () => {
    const server = await startOddServer(() => ({
      headers: { date: "" },
      body: { resourceType: "Bundle", total: 0 },
    }));
    const http = createFhirHttp({ baseUrl: server.url, auth: { kind: "none" } });
    open.push(server, http);
    await expect(fetch(http)).rejects.toMatchObject({ code: "source/no-clock" });
  });
});

describe("histories", () => {
  const since = { Patient: TIME(0) };
  const gone = (id: string, response: Record<string, string> = {}): Entry => ({
    request: { method: "DELETE", url: `Patient/${id}` },
    response,
  });

  async function fold(history: readonly Entry[], policy: "time" | "version", known: readonly Entry[]) {
    const { http, server } = await serve((url) => {
      if (/\/Patient\/[^/]+\/_history$/.test(url.pathname)) return { status: 404, body: {} };
      return url.pathname.endsWith("_history") ? bundle(history) : bundle([]);
    });
    const state = new FetchedState(policy);
    const before = await serve(
      (url) => (url.pathname.endsWith("_history") ? bundle([]) : bundle(known)),
      known.length,
    );
    await state.land(await fetch(before.http, { policy }));
    const batch = await fetch(http, { since, policy, overlapMs: 0 });
    await state.land(batch);
    return { live: [...state.live.keys()].sort(), batch, server };
  }

  it("tell deletes without a time or a version, which still count where they are the newest", async () => {
    const { live, batch } = await fold(
      [gone("a"), patient("b", 50, "3"), gone("b"), patient("b", 20, "2"), patient("c", 10, "2")],
      "time",
      [patient("a", -10), patient("b", -10), patient("c", -10)],
    );
    expect(live).toEqual(["Patient/b", "Patient/c"]);
    expect(batch.deletesListed).toBe(true);
  });

  it("number a delete after the version before it, where versions are what counts", async () => {
    const { live, batch } = await fold(
      [gone("a", { lastModified: TIME(60) }), patient("a", 50, "4"), patient("b", 10, "2")],
      "version",
      [patient("a", -10, "3"), patient("b", -10)],
    );
    expect(live).toEqual(["Patient/b"]);
    expect(batch.deletesListed).toBe(true);
  });

  it("leave a delete out that cannot be put in order, and say so", async () => {
    const { live, batch } = await fold([gone("a", { lastModified: TIME(60) })], "version", [
      patient("a", -10, "3"),
    ]);
    expect(live).toEqual(["Patient/a"]);
    expect(batch.deletesListed).toBe(false);
    expect(batch.problems).toContainEqual({
      severity: "warning",
      type: "Patient",
      message: expect.stringContaining("1 deletes") as string,
    });
  });

  it("take version and id of a delete from its URLs", async () => {
    const entry: Entry = {
      fullUrl: "http://x/fhir/Patient/a",
      request: { method: "DELETE", url: "Patient/a/_history/7" },
      response: {},
    };
    const { live } = await fold([entry], "version", [patient("a", -10, "6")]);
    expect(live).toEqual([]);
    const bare: Entry = {
      fullUrl: "http://x/fhir/Patient/a",
      request: { method: "DELETE", url: "" },
      response: { etag: "8" },
    };
    expect((await fold([bare], "version", [patient("a", -10, "6")])).live).toEqual([]);
  });

  it("go by the delete and not by the resource that some servers add to it", async () => {
    const entry: Entry = {
      ...patient("a", 5, "2"),
      request: { method: "DELETE", url: "Patient/a" },
      response: { lastModified: TIME(60), etag: 'W/"3"' },
    };
    expect((await fold([entry], "time", [patient("a", 5, "2")])).live).toEqual([]);
  });

  it("are read to where the watermark is, also when the server does not heed _since", async () => {
    let pages = 0;
    const { http, server } = await serve((url) => {
      if (!url.pathname.endsWith("_history")) return bundle([]);
      const from = Number(url.searchParams.get("from") ?? "0");
      pages++;
      return bundle(
        [0, 1, 2].map((i) => patient(`p${from + i}`, 100 - 20 * (from + i), "1")),
        `${server.url}/Patient/_history?from=${from + 3}`,
      );
    });
    const batch = await fetch(http, { since, overlapMs: 0 });
    expect(batch.files.map(({ lines: count }) => count)).toEqual([9]);
    expect(pages).toBeLessThan(12);
  });
});
