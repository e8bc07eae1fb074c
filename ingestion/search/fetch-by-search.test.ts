import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FetchedState, liveOf } from "../../test/support/fetched-state.js";
import {
  type FhirServer,
  type FhirServerOptions,
  startFhirServer,
} from "../../test/support/fhir-server/index.js";
import { createFhirHttp, type FhirHttp } from "../http/index.js";
import type { FetchedBatch } from "../source/fetched.js";
import { fetchBySearch, finishSearch, type SearchFetchOptions } from "./fetch-by-search.js";

let workDir: string;
const open: { close(): Promise<void> }[] = [];
beforeEach(() => {
  workDir = mkdtempSync(path.join(tmpdir(), "search-"));
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
  rmSync(workDir, { recursive: true, force: true });
});

async function start(options: FhirServerOptions = {}): Promise<{ server: FhirServer; http: FhirHttp }> {
  const server = await startFhirServer(options);
  const http = createFhirHttp({ baseUrl: server.url, auth: { kind: "none" } });
  open.push(server, http);
  return { server, http };
}

/** Writes a resource; the decimal would not survive being parsed and printed. */
function put(server: FhirServer, id: string, value = "1.10"): void {
  server.store.put(
    "Observation",
    id,
    `{"resourceType":"Observation","id":"${id}","status":"final","code":{"text":"é"},"valueQuantity":{"value":${value}}}`,
  );
}

/** Lets the server's clock pass into a later second: a window ends with a whole one. */
function settle(server: FhirServer): void {
  server.clock.shift(2000);
}

const TYPES = ["Observation"];

function fetch(http: FhirHttp, more: Partial<SearchFetchOptions> = {}): Promise<FetchedBatch> {
  return fetchBySearch({ http, workDir, types: TYPES, since: {}, history: true, pageSize: 10, ...more });
}

function searches(server: FhirServer): string[] {
  return server.requests.all
    .filter(({ path: at, query }) => !at.includes("_history") && !query.includes("_summary"))
    .map(({ query }) => decodeURIComponent(query));
}

describe("a first fetch", () => {
  it("brings every resource with its text untouched, and the server's time as the next watermark", async () => {
    const { server, http } = await start();
    for (let i = 0; i < 57; i++) put(server, `o${i}`);
    settle(server);
    const before = server.clock.now();
    const batch = await fetch(http);
    const state = new FetchedState();
    await state.land(batch);
    expect(state.live).toEqual(liveOf(server.store, TYPES));
    expect([...state.live.values()][0]).toContain('"value":1.10');
    expect(batch.problems).toEqual([]);
    expect(batch.incompleteTypes).toEqual([]);
    expect(batch.deletesListed).toBe(false);
    const upTo = Date.parse(batch.transactionTime);
    expect(upTo % 1000).toBe(0);
    expect(upTo).toBeGreaterThanOrEqual(Math.floor(before / 1000) * 1000);
    expect(upTo).toBeLessThanOrEqual(server.clock.now());
    expect(state.quarantined).toBe(0);
  });

  it("asks again from the last time seen instead of following links", async () => {
    const { server, http } = await start();
    for (let i = 0; i < 30; i++) {
      server.clock.shift(1000);
      put(server, `o${i}`);
    }
    settle(server);
    await fetch(http);
    const asked = searches(server);
    expect(
      asked.every((query) => query.includes("_lastUpdated") && query.includes("_sort=_lastUpdated")),
    ).toBe(true);
    expect(asked.every((query) => query.includes("_lastUpdated=lt"))).toBe(true);
    expect(server.requests.all.every(({ headers }) => headers["cache-control"] === "no-cache")).toBe(true);
  });

  it("walks through more resources of one time than a page holds", async () => {
    const { server, http } = await start();
    const at = new Date(server.clock.now()).toISOString();
    for (let i = 0; i < 45; i++) {
      server.store.import(
        "Observation",
        `o${i}`,
        Buffer.from(`{"resourceType":"Observation","id":"o${i}","meta":{"lastUpdated":"${at}"}}`),
      );
    }
    server.clock.shift(5000);
    for (let i = 0; i < 15; i++) put(server, `later${i}`);
    settle(server);
    const batch = await fetch(http);
    const state = new FetchedState();
    await state.land(batch);
    expect(state.live).toEqual(liveOf(server.store, TYPES));
    expect(state.accepted).toBe(60);
  });

  it("divides many resources into windows and fetches each once", async () => {
    const { server, http } = await start();
    for (let i = 0; i < 100; i++) {
      server.clock.shift(10_000);
      put(server, `o${i}`);
    }
    settle(server);
    const batch = await fetch(http, { windowSize: 20 });
    expect(batch.files.length).toBeGreaterThanOrEqual(5);
    const state = new FetchedState();
    await state.land(batch);
    expect(state.live.size).toBe(100);
    expect(state.accepted).toBe(100);
  });

  it("says of types that it may not search that they are incomplete", async () => {
    const { server, http } = await start({
      faults: [{ match: { pattern: "/Patient" }, fault: { kind: "status", status: 403 } }],
    });
    put(server, "a");
    settle(server);
    const batch = await fetch(http, { types: ["Patient", "Observation"] });
    expect(batch.incompleteTypes).toEqual(["Patient"]);
    expect(batch.problems).toMatchObject([{ severity: "error", type: "Patient" }]);
    expect(batch.watermarks).not.toHaveProperty("Patient");
    expect(batch.files).toHaveLength(1);
  });

  it("crawls a type that is not searchable by time, and says so", async () => {
    for (const profile of ["no-since", "epic-like"] as const) {
      const { server, http } = await start({ profile });
      for (let i = 0; i < 33; i++) put(server, `o${i}`);
      settle(server);
      const batch = await fetch(http);
      expect(batch.problems).toMatchObject([{ severity: "warning", type: "Observation" }]);
      const state = new FetchedState();
      await state.land(batch);
      expect(state.live).toEqual(liveOf(server.store, TYPES));
      await finishSearch(workDir);
    }
  });
});

describe("the next fetch", () => {
  it("brings changes and deletes only", async () => {
    const { server, http } = await start();
    for (let i = 0; i < 40; i++) put(server, `o${i}`);
    const state = new FetchedState();
    server.clock.shift(3_600_000);
    const first = await fetch(http);
    await state.land(first);
    await finishSearch(workDir);
    put(server, "o3", "2.50");
    put(server, "new");
    server.store.delete("Observation", "o5");
    settle(server);
    const accepted = state.accepted;
    const second = await fetch(http, { since: { Observation: first.transactionTime } });
    await state.land(second);
    expect(second.deletesListed).toBe(true);
    expect(state.live).toEqual(liveOf(server.store, TYPES));
    expect(state.live.has("Observation/o5")).toBe(false);
    // Twice 2 updates (search and history) and the delete.
    expect(state.accepted - accepted).toBe(5);
  });

  it("lowers a watermark to the newest change seen, but not below the one before or by more than the lag allowed", async () => {
    const { server, http } = await start();
    put(server, "a");
    const written = server.store.current("Observation", "a")!.at;
    server.clock.shift(600_000);
    const first = await fetch(http);
    expect(Date.parse(first.watermarks!["Observation"]!)).toBe(written);
    await finishSearch(workDir);
    const since = { Observation: first.transactionTime };
    const second = await fetch(http, { since, overlapMs: 0 });
    expect(second.watermarks!["Observation"]).toBe(first.transactionTime);
    await finishSearch(workDir);
    const third = await fetch(http, { replicaLagMs: 60_000 });
    expect(Date.parse(third.watermarks!["Observation"]!)).toBe(Date.parse(third.transactionTime) - 60_000);
  });

  it("does without histories where there are none, and says that deletes are not listed", async () => {
    const { server, http } = await start({ profile: "no-history" });
    put(server, "a");
    settle(server);
    const first = await fetch(http);
    await finishSearch(workDir);
    put(server, "a", "3.0");
    settle(server);
    const batch = await fetch(http, { since: { Observation: first.transactionTime } });
    expect(batch.deletesListed).toBe(false);
    expect(batch.problems).toMatchObject([
      { severity: "warning", message: expect.stringContaining("deletes") as string },
    ]);
    expect(batch.files.map(({ kind }) => kind)).toEqual(["resources"]);
  });

  it("takes the system's history where types have none", async () => {
    const { server, http } = await start({ changes: { history: ["system"] } });
    put(server, "a");
    server.store.put("Patient", "p", '{"resourceType":"Patient","id":"p"}');
    server.store.put("Group", "g", '{"resourceType":"Group","id":"g"}');
    settle(server);
    const state = new FetchedState();
    const types = ["Observation", "Patient"];
    const first = await fetch(http, { types });
    await state.land(first);
    await finishSearch(workDir);
    server.store.delete("Patient", "p");
    server.store.delete("Group", "g");
    settle(server);
    const since = { Observation: first.transactionTime, Patient: first.transactionTime };
    const second = await fetch(http, { types, since });
    await state.land(second);
    expect(second.deletesListed).toBe(true);
    expect(state.live).toEqual(liveOf(server.store, types));
    expect([...state.live.keys()]).toEqual(["Observation/a"]);
  });
});

describe("changes while pages are read", () => {
  it.each(["snapshot", "offset"] as const)("lose nothing that stays (%s pages)", async (paging) => {
    const { server, http } = await start({ changes: { paging } });
    for (let i = 0; i < 60; i++) {
      server.clock.shift(1000);
      put(server, `o${i}`);
    }
    settle(server);
    const state = new FetchedState();
    let pages = 0;
    const first = await fetch(http, {
      onProgress: ({ resources }) => {
        if (resources > 0 && pages++ < 4) {
          put(server, `o${pages}`, `${pages}.00`);
          server.store.delete("Observation", `o${pages + 20}`);
        }
      },
    });
    await state.land(first);
    await finishSearch(workDir);
    settle(server);
    await state.land(await fetch(http, { since: first.watermarks! }));
    expect(state.live).toEqual(liveOf(server.store, TYPES));
  });

  it("begin a window of expired links again", async () => {
    const { server, http } = await start({ profile: "no-since" });
    for (let i = 0; i < 60; i++) put(server, `o${i}`);
    settle(server);
    let expired = 0;
    const batch = await fetch(http, {
      onProgress: ({ resources }) => {
        if (resources === 30 && expired++ === 0) server.expire("pages");
      },
    });
    const state = new FetchedState();
    await state.land(batch);
    expect(expired).toBeGreaterThan(0);
    expect(state.live).toEqual(liveOf(server.store, TYPES));
  });

  it("give up when links always expire", async () => {
    const { server, http } = await start({
      profile: "no-since",
      faults: [{ match: { pattern: "_page|_getpages|/page" }, fault: { kind: "expire-link", status: 410 } }],
    });
    for (let i = 0; i < 60; i++) put(server, `o${i}`);
    settle(server);
    await expect(fetch(http)).rejects.toMatchObject({ code: "source/pages-expired" });
  });
});

describe("links", () => {
  it("to another origin are not followed", async () => {
    const { server, http } = await start({ profile: "no-since" });
    for (let i = 0; i < 30; i++) put(server, `o${i}`);
    settle(server);
    server.faults.add({
      match: { path: "/fhir/Observation" },
      fault: {
        kind: "replace-text",
        search: new URL(server.url).origin,
        replacement: "http://169.254.169.254",
      },
    });
    await expect(fetch(http)).rejects.toMatchObject({ code: "source/foreign-url" });
  });
});

describe("a fetch that is stopped", () => {
  it("goes on where it was, without asking for a finished window again", async () => {
    const { server, http } = await start();
    for (let i = 0; i < 100; i++) {
      server.clock.shift(10_000);
      put(server, `o${i}`);
    }
    settle(server);
    const stop = new AbortController();
    const more = { windowSize: 20, concurrency: 1 };
    await expect(
      fetch(http, {
        ...more,
        signal: stop.signal,
        onProgress: ({ resources }) => resources >= 55 && stop.abort(new Error("stopped")),
      }),
    ).rejects.toThrow();
    const asked = new Set(searches(server));
    server.requests.clear();
    const batch = await fetch(http, more);
    expect(searches(server).filter((query) => asked.has(query)).length).toBeLessThanOrEqual(1);
    expect(batch.statistics.resumedFiles).toBeGreaterThan(0);
    const state = new FetchedState();
    await state.land(batch);
    expect(state.live).toEqual(liveOf(server.store, TYPES));
    expect(state.accepted).toBe(100);
    server.requests.clear();
    expect((await fetch(http, more)).files).toEqual(batch.files);
    expect(server.requests.all).toEqual([]);
  });

  it("leaves nothing for another request", async () => {
    const { server, http } = await start();
    put(server, "a");
    settle(server);
    const first = await fetch(http);
    const second = await fetch(http, { overlapMs: 1 });
    expect(second.files.map(({ sha256 }) => sha256)).toEqual(first.files.map(({ sha256 }) => sha256));
    await finishSearch(workDir);
    expect(readdirSync(workDir)).toEqual([]);
  });
});

describe("servers of other habits", () => {
  it("are searched by POST when they want it", async () => {
    const { server, http } = await start({
      faults: [
        { match: { method: "GET", path: "/fhir/Observation" }, fault: { kind: "status", status: 405 } },
      ],
    });
    put(server, "a");
    settle(server);
    const batch = await fetch(http);
    expect(batch.files[0]?.lines).toBe(1);
  });

  it("answer with printed pages and stored results", async () => {
    const { server, http } = await start({ profile: "hapi-like" });
    for (let i = 0; i < 45; i++) put(server, `o${i}`);
    settle(server);
    const batch = await fetch(http, { pageSize: 1000 });
    expect(readFileSync(batch.files[0]!.path, "utf8").trimEnd().split("\n")).toHaveLength(45);
    const state = new FetchedState();
    await state.land(batch);
    expect([...state.live.keys()]).toEqual([...liveOf(server.store, TYPES).keys()]);
    expect([...state.live.values()][0]).toContain('"value":1.10');
  });
});
