import { generateKeyPairSync } from "node:crypto";
import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { JSONWebKeySet } from "jose";
import { describe, expect, it } from "vitest";
import {
  clientOf,
  filledServer,
  linesOf,
  liveOn,
  TYPES,
  workFolder,
} from "../../test/support/export-fixture.js";
import type { FaultRule, ProfileName } from "../../test/support/fhir-server/index.js";
import { publicJwks } from "../http/index.js";
import { cancelExport, exportBulk, finishExport } from "./export.js";
import type { ExportEvent, ExportOptions, ExportProgress } from "./options.js";

const types = [...TYPES];
const system = { kind: "system" } as const;

type World = Awaited<ReturnType<typeof filledServer>>;

async function setUp(
  options: Parameters<typeof filledServer>[0] = {},
): Promise<World & { readonly call: ExportOptions }> {
  const world = await filledServer(options);
  const http = clientOf(world.server.url, { clock: world.clock });
  return { ...world, call: { http, workDir: await workFolder(), level: system, types } };
}

const fileRequests = (world: World): number =>
  world.server.requests.matching({ path: /\/(_files|bucket|Binary)\// }).length;

describe("a bulk export", () => {
  it("brings every live resource byte for byte, with the server's time", async () => {
    const world = await setUp();
    const batch = await exportBulk(world.call);
    expect(linesOf(batch)).toEqual(liveOn(world.server));
    expect(batch.transactionTime).toMatch(/^2026-11-21T04:00:0\d\.\d{3}Z$/);
    expect(batch.files.every(({ sha256 }) => /^[0-9a-f]{64}$/.test(sha256))).toBe(true);
    expect(batch).toMatchObject({ deletesListed: false, problems: [], incompleteTypes: [] });
    expect(batch.files.filter(({ type }) => type === "Observation").map(({ lines }) => lines)).toEqual([
      10, 10, 10, 5,
    ]);
  });

  it("brings only what changed since, with the deletes and a time for each", async () => {
    const { server, call } = await setUp();
    const first = await exportBulk(call);
    await finishExport(call);
    server.store.put("Patient", "p1", '{"resourceType":"Patient","id":"p1","active":true}');
    server.store.delete("Observation", "o3");
    server.store.delete("Encounter", "e1");
    const batch = await exportBulk({ ...call, since: first.transactionTime });
    expect(linesOf(batch)).toEqual([server.store.current("Patient", "p1")!.text!.read().toString()]);
    expect(batch.deletesListed).toBe(true);
    const entries = linesOf(batch, "changes").flatMap(
      (line) => (JSON.parse(line) as { entry: unknown[] }).entry,
    );
    expect(entries).toEqual(
      expect.arrayContaining([
        {
          request: { method: "DELETE", url: "Observation/o3" },
          response: { lastModified: batch.transactionTime },
        },
        {
          request: { method: "DELETE", url: "Encounter/e1" },
          response: { lastModified: batch.transactionTime },
        },
      ]),
    );
    expect(entries).toHaveLength(2);
  });

  it("believes an empty list of deletes only of a server that is known to fill it", async () => {
    const { call } = await setUp();
    const since = "2026-11-21T05:00:00.000Z";
    expect((await exportBulk({ ...call, since })).deletesListed).toBe(false);
    const trusting = { ...call, since, emptyDeletedMeansNone: true };
    expect((await exportBulk(trusting)).deletesListed).toBe(true);
  });

  it.each([
    { level: { kind: "patient" } },
    { level: { kind: "group", id: "g" } },
    { kickoff: "POST" },
    { kickoff: "GET", typeList: "repeat" },
    { kickoff: "POST", allowPartialManifests: true },
    {
      kickoff: "POST",
      level: { kind: "group", id: "g" },
      patients: Array.from({ length: 12 }, (_, n) => `p${n}`),
    },
    { outputFormat: "ndjson", since: "2020-01-01T00:00:00Z" },
  ] as Partial<ExportOptions>[])("is asked for as %j", async (changes) => {
    const { server, call } = await setUp();
    expect(linesOf(await exportBulk({ ...call, ...changes }))).toEqual(liveOn(server));
  });

  it("sends type filters and until", async () => {
    const { server, call } = await setUp();
    const batch = await exportBulk({
      ...call,
      types: ["Observation"],
      until: "2026-11-22T00:00:00Z",
      typeFilters: ["Observation?subject=Patient/p1", "Observation?subject=Patient/p2"],
    });
    const wanted = liveOn(server, ["Observation"]).filter((text) => /Patient\/p[12]"/.test(text));
    expect(linesOf(batch)).toEqual(wanted);
  });

  it.each(["hapi-like", "cerner-like", "epic-like", "no-since", "no-history"] as ProfileName[])(
    "works with a %s server",
    async (profile) => {
      const { server, call } = await setUp({ profile });
      const batch = await exportBulk({ ...call, level: { kind: "group", id: "g" } });
      const wanted = liveOn(server, profile === "no-since" ? [...TYPES, "Group"] : TYPES);
      expect(linesOf(batch).filter((line) => !line.includes('"Group"'))).toEqual(
        wanted.filter((line) => !line.includes('"Group"')),
      );
      expect(await finishExport(call)).toEqual({ released: true });
    },
  );

  it.each(["RS384", "ES384"] as const)(
    "authenticates with %s, through tokens that end in between",
    async (algorithm) => {
      const { privateKey } =
        algorithm === "RS384"
          ? generateKeyPairSync("rsa", { modulusLength: 2048 })
          : generateKeyPairSync("ec", { namedCurve: "P-384" });
      const key = {
        privateKey: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
        keyId: "k",
        algorithm,
      };
      const jwks = (await publicJwks([key])) as JSONWebKeySet;
      const world = await filledServer({
        auth: { smart: { clients: [{ clientId: "lake", jwks }], tokenSeconds: 60 } },
        export: { polls: 8, retryAfter: 20 },
        changes: { export: { rowsPerFile: 3 } },
      });
      const http = clientOf(world.server.url, {
        clock: world.clock,
        auth: { kind: "smart-backend", clientId: "lake", ...key },
      });
      const batch = await exportBulk({ http, workDir: await workFolder(), level: system, types });
      expect(linesOf(batch)).toEqual(liveOn(world.server));
      const tokens = world.server.requests.matching({ path: "/auth/token" });
      expect(tokens.length).toBeGreaterThan(2);
      expect(world.server.requests.matching({ status: 401 })).toEqual([]);
      const files = world.server.requests.matching({ path: /_files/ });
      expect(files.every(({ authorization }) => authorization === "bearer")).toBe(true);
    },
  );

  it("goes on when all tokens are revoked in between", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-384" });
    const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const key = { privateKey: pem, keyId: "k", algorithm: "ES384" } as const;
    const jwks = (await publicJwks([key])) as JSONWebKeySet;
    const { server, clock } = await filledServer({
      auth: { smart: { clients: [{ clientId: "lake", jwks }] } },
    });
    const auth = { kind: "smart-backend", clientId: "lake", ...key } as const;
    const http = clientOf(server.url, { clock, auth });
    let times = 0;
    const batch = await exportBulk({
      http,
      workDir: await workFolder(),
      level: system,
      types,
      checkpoint: (label) => {
        if (label === "file.recorded" && ++times === 2) server.expire("tokens");
      },
    });
    expect(linesOf(batch)).toEqual(liveOn(server));
    expect(server.requests.matching({ status: 401 }).length).toBeGreaterThan(0);
  });

  it("ends with a wrong token", async () => {
    const world = await filledServer({ auth: { bearer: "fixed" } });
    const http = clientOf(world.server.url, { clock: world.clock, auth: { kind: "bearer", token: "x" } });
    const call = { http, workDir: await workFolder(), level: system, types };
    await expect(exportBulk(call)).rejects.toMatchObject({ code: "source/unauthorized" });
  });

  it("sends no credentials to another origin that serves the files", async () => {
    const world = await filledServer({ profile: "cerner-like", auth: { bearer: "fixed" } });
    const http = clientOf(world.server.url, { clock: world.clock, auth: { kind: "bearer", token: "fixed" } });
    const call = { http, workDir: await workFolder(), level: { kind: "group", id: "g" } as const, types };
    expect(linesOf(await exportBulk(call))).toEqual(liveOn(world.server));
    const elsewhere = world.server.requests.matching({ origin: "files" });
    expect(elsewhere.length).toBeGreaterThan(5);
    expect(elsewhere.every(({ authorization }) => authorization === undefined)).toBe(true);
  });

  it("never has more requests under way than allowed", async () => {
    const world = await filledServer({ changes: { export: { rowsPerFile: 1 } } });
    const http = clientOf(world.server.url, { clock: world.clock, maxConcurrency: 3 });
    const call = { http, workDir: await workFolder(), level: system, types, downloadConcurrency: 10 };
    expect(linesOf(await exportBulk(call))).toEqual(liveOn(world.server));
    expect(world.server.requests.mostParallel()).toBeLessThanOrEqual(3);
  });

  it.each([
    [7, 7000],
    ["0", 1000],
    [{ dateInSeconds: 90 }, 90_000],
    ["18000", 300_000],
    [String(Date.parse("2026-11-21T04:00:30Z")), 30_000],
    ["gibberish", 1000],
  ])("waits between polls as Retry-After %j says", async (retryAfter, expected) => {
    const { clock, call } = await setUp({ export: { polls: 1, retryAfter } });
    const waited: (number | undefined)[] = [];
    await exportBulk({ ...call, onProgress: ({ waitMs }) => waited.push(waitMs) });
    const wait = waited.find((ms) => ms !== undefined)!;
    expect(wait).toBeGreaterThanOrEqual(expected);
    expect(wait).toBeLessThanOrEqual(retryAfter === "gibberish" ? expected * 1.5 : expected);
    expect(clock.now().getTime() - Date.parse("2026-11-21T04:00:00.000Z")).toBe(wait);
  });

  it("gives up after its deadline, not before, and tells the server", async () => {
    const { server, clock, call } = await setUp({ export: { polls: 1e9, retryAfter: 200 } });
    const deadlineMs = 3_600_000;
    await expect(exportBulk({ ...call, deadlineMs })).rejects.toMatchObject({
      code: "source/export-deadline",
    });
    expect(clock.now().getTime() - Date.parse("2026-11-21T04:00:00.000Z")).toBe(deadlineMs);
    expect(server.requests.matching({ method: "DELETE", status: 202 })).toHaveLength(1);
    expect(readdirSync(call.workDir)).toEqual([]);
  });

  it("tells how far it is and logs what it does, without secrets", async () => {
    const { call } = await setUp();
    const progress: ExportProgress[] = [];
    const events: ExportEvent[] = [];
    await exportBulk({
      ...call,
      typeFilters: ["Patient?name=Canary"],
      onProgress: (step) => progress.push(step),
      log: (event) => events.push(event),
    });
    expect(progress[0]).toMatchObject({ phase: "kick-off", filesDone: 0 });
    expect(progress).toContainEqual(
      expect.objectContaining({ phase: "waiting", server: "in progress, poll 1" }),
    );
    const last = progress.at(-1)!;
    expect(last).toMatchObject({ phase: "complete", filesDone: last.filesTotal });
    expect([...new Set(events.map(({ eventId }) => eventId))]).toEqual([
      "kickoff",
      "status_progress",
      "status_page_complete",
      "status_complete",
      "manifest_complete",
      "download_request",
      "download_complete",
      "export_complete",
    ]);
    expect(events.slice(1).every(({ exportId }) => /\/_jobs\/[0-9a-f]+$/.test(exportId))).toBe(true);
    expect(JSON.stringify(events)).not.toMatch(/signature|Canary|\.ndjson/);
  });

  it("refuses what no answer could be stored of", async () => {
    const { call } = await setUp();
    await expect(exportBulk({ ...call, elements: ["id"] })).rejects.toMatchObject({
      code: "source/subsetted",
    });
    const ids = await exportBulk({ ...call, elements: ["id"], idsOnly: true });
    expect(linesOf(ids)).toHaveLength(55);
    for (const wrong of [
      { types: ["patient"] },
      { since: "2026-11-21" },
      { until: "2026-11-21T10:00:00" },
      { level: { kind: "group", id: "../x" } },
      { typeFilters: ["Condition?x=1"] },
      { typeFilters: ["Patient?_sort=name"] },
      { patients: ["p1"] },
    ] as Partial<ExportOptions>[]) {
      await expect(exportBulk({ ...call, ...wrong })).rejects.toMatchObject({ code: "source/bad-settings" });
    }
  });

  it("refuses resources that the server cut down although nobody asked for that", async () => {
    const { server, call } = await setUp();
    const tag = '{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}';
    server.store.put("Patient", "p0", `{"resourceType":"Patient","id":"p0","meta":{"tag":[${tag}]}}`);
    await expect(exportBulk(call)).rejects.toMatchObject({ code: "source/subsetted" });
  });
});

describe("a fault of the server", () => {
  const file = { pattern: "/_files/" };
  const poll = { method: "GET", pattern: "/_jobs/" };
  const kickoff = { pattern: "\\$export" };

  it.each<[string, FaultRule[]]>([
    [
      "429 on kick-off with Retry-After",
      [{ match: kickoff, occurrences: [1, 2], fault: { kind: "status", status: 429, retryAfter: 120 } }],
    ],
    ["503 on kick-off", [{ match: kickoff, occurrences: [1], fault: { kind: "status", status: 503 } }]],
    ["500 on kick-off", [{ match: kickoff, occurrences: [1], fault: { kind: "status", status: 500 } }]],
    ["a lost answer to the kick-off", [{ match: kickoff, occurrences: [1], fault: { kind: "answer-lost" } }]],
    [
      "429 on polls, by date",
      [
        {
          match: poll,
          occurrences: { from: 1, to: 3 },
          fault: { kind: "status", status: 429, retryAfter: { dateInSeconds: 60 } },
        },
      ],
    ],
    [
      "429 on polls, by epoch in milliseconds",
      [
        {
          match: poll,
          occurrences: [1],
          fault: { kind: "status", status: 429, retryAfter: "1795243948648" },
        },
      ],
    ],
    [
      "transient 500s on polls",
      [
        {
          match: poll,
          occurrences: { from: 1, to: 20 },
          fault: { kind: "status", status: 500, issueCode: "transient" },
        },
      ],
    ],
    [
      "a gateway's 502 on polls",
      [
        {
          match: poll,
          occurrences: { from: 1, to: 8 },
          fault: { kind: "status", status: 502, body: "<html>" },
        },
      ],
    ],
    ["cut polls", [{ match: poll, occurrences: { from: 1, to: 4 }, fault: { kind: "answer-lost" } }]],
    [
      "429 on files",
      [
        {
          match: file,
          occurrences: { from: 1, to: 3 },
          fault: { kind: "status", status: 429, retryAfter: 30 },
        },
      ],
    ],
    ["503 on files", [{ match: file, occurrences: [2], fault: { kind: "status", status: 503 } }]],
    ["a file that ends early", [{ match: file, occurrences: [1], fault: { kind: "truncate", bytes: 200 } }]],
    [
      "a server that dies within a file",
      [{ match: file, occurrences: [3], fault: { kind: "die", bytes: 100 } }],
    ],
    ["a wrong Content-Length", [{ match: file, occurrences: [1], fault: { kind: "wrong-length", by: 10 } }]],
    [
      "a Content-Length that is too short",
      [{ match: file, occurrences: [1], fault: { kind: "wrong-length", by: -10 } }],
    ],
    ["corrupt gzip", [{ match: file, occurrences: [1], fault: { kind: "corrupt-gzip" } }]],
    [
      "a slow file",
      [{ match: file, occurrences: [1], fault: { kind: "delay", milliseconds: 300, bytes: 50 } }],
    ],
    [
      "links that end with 410 once",
      [{ match: file, occurrences: [1, 2, 3], fault: { kind: "expire-link" } }],
    ],
    [
      "links that end with 403 once",
      [{ match: file, occurrences: [2], fault: { kind: "expire-link", status: 403 } }],
    ],
    [
      "a lost job on the first poll",
      [{ match: poll, occurrences: [1], fault: { kind: "status", status: 404 } }],
    ],
  ])("is got over: %s", async (name, faults) => {
    // Without compression overwritten bytes are bytes like any: nothing can tell.
    const packings = name === "corrupt gzip" ? [true] : [true, false];
    for (const gzip of packings) {
      const { server, call } = await setUp({ faults, changes: { export: { gzip } } });
      const batch = await exportBulk(call);
      expect(linesOf(batch)).toEqual(liveOn(server));
      expect(server.faults.struck()[0]).toBeGreaterThan(0);
      expect([...server.requests.filesFetched().values()].every((times) => times === 1)).toBe(true);
    }
  });

  it("429 holds all requests back until the time it names", async () => {
    const { server, clock, call } = await setUp({
      faults: [{ match: file, occurrences: [1], fault: { kind: "status", status: 429, retryAfter: 30 } }],
      changes: { export: { rowsPerFile: 1 } },
    });
    const http = clientOf(server.url, { clock, maxConcurrency: 1 });
    await exportBulk({ ...call, http });
    expect(clock.waits).toContain(30_000);
    expect(server.requests.mostParallel()).toBe(1);
  });

  it("a link to another origin in the manifest is not asked for with a token", async () => {
    const world = await filledServer({ auth: { bearer: "fixed" } });
    world.server.faults.add({
      match: poll,
      fault: {
        kind: "replace-text",
        search: `${world.server.url}/_files`,
        replacement: `${world.server.fileOrigin}/bucket`,
      },
    });
    const http = clientOf(world.server.url, { clock: world.clock, auth: { kind: "bearer", token: "fixed" } });
    const call = { http, workDir: await workFolder(), level: system, types };
    await expect(exportBulk(call)).rejects.toMatchObject({ code: "source/foreign-url" });
    expect(world.server.requests.matching({ origin: "files" })).toEqual([]);
  });

  it.each<[string, string, FaultRule[]]>([
    [
      "a job that failed",
      "source/export-failed",
      [{ match: poll, fault: { kind: "status", status: 500, issueCode: "processing" } }],
    ],
    [
      "a job refused with 400",
      "source/export-failed",
      [{ match: poll, fault: { kind: "status", status: 400, issueCode: "invalid" } }],
    ],
    [
      "a manifest without transactionTime",
      "source/bad-manifest",
      [{ match: poll, fault: { kind: "replace-text", search: "transactionTime", replacement: "time" } }],
    ],
    [
      "counts that never agree",
      "source/damaged-file",
      [{ match: poll, fault: { kind: "wrong-count", by: 1 } }],
    ],
    [
      "files that always end early",
      "source/damaged-file",
      [{ match: file, fault: { kind: "truncate", bytes: 150 } }],
    ],
    [
      "jobs that are always lost",
      "source/export-lost",
      [{ match: poll, fault: { kind: "status", status: 404 } }],
    ],
    [
      "files that are never there",
      "source/export-lost",
      [{ match: file, fault: { kind: "expire-link", status: 404 } }],
    ],
    [
      "a kick-off that is refused",
      "source/refused",
      [{ match: kickoff, fault: { kind: "status", status: 400, issueCode: "invalid" } }],
    ],
    ["no right to export", "source/forbidden", [{ match: kickoff, fault: { kind: "status", status: 403 } }]],
    [
      "a redirect of a poll to elsewhere",
      "source/redirect",
      [{ match: poll, fault: { kind: "redirect", to: "http://127.0.0.1:9" } }],
    ],
    [
      "a gateway that stays broken",
      "source/unavailable",
      [{ match: poll, fault: { kind: "status", status: 502, body: "" } }],
    ],
  ])("ends the export without a batch: %s", async (_name, code, faults) => {
    const { call } = await setUp({ faults, changes: { export: { gzip: false } } });
    await expect(exportBulk(call)).rejects.toMatchObject({ code });
  });

  it("a file that stays damaged has the job begun anew at the third call", async () => {
    const { server, call } = await setUp({
      faults: [{ match: file, occurrences: { from: 1, to: 18 }, fault: { kind: "truncate", bytes: 150 } }],
      changes: { export: { gzip: false, rowsPerFile: 100 } },
    });
    const one = { ...call, types: ["Patient"] };
    for (const kickoffs of [1, 1, 1]) {
      await expect(exportBulk(one)).rejects.toMatchObject({ code: "source/damaged-file" });
      expect(server.requests.matching({ path: /export$/ })).toHaveLength(kickoffs);
    }
    expect(linesOf(await exportBulk(one))).toEqual(liveOn(server, ["Patient"]));
    expect(server.requests.matching({ path: /export$/ })).toHaveLength(2);
  });

  it("before the job had begun does not use up its time", async () => {
    const { server, clock, call } = await setUp({
      faults: [{ match: kickoff, occurrences: [1], fault: { kind: "status", status: 400 } }],
    });
    await expect(exportBulk(call)).rejects.toMatchObject({ code: "source/refused" });
    clock.advance(100 * 86_400_000);
    expect(linesOf(await exportBulk(call))).toEqual(liveOn(server));
  });

  it("in another export's way is waited for, for a day", async () => {
    const busy: FaultRule = { match: kickoff, fault: { kind: "status", status: 429, retryAfter: 120 } };
    const { clock, call } = await setUp({ faults: [busy] });
    const begun = clock.now().getTime();
    await expect(exportBulk(call)).rejects.toMatchObject({ code: "source/throttled" });
    expect(clock.now().getTime() - begun).toBe(86_400_000);
  });

  it("counts that do not agree can be taken with a warning", async () => {
    const { server, call } = await setUp({
      faults: [{ match: poll, fault: { kind: "wrong-count", by: 1 } }],
    });
    const batch = await exportBulk({ ...call, trustCounts: false });
    expect(linesOf(batch)).toEqual(liveOn(server));
    expect(batch.problems).toContainEqual(expect.objectContaining({ severity: "warning", type: "Patient" }));
  });

  it("error files mark the types they name, and none when they only inform", async () => {
    const issues = [
      {
        severity: "error" as const,
        code: "exception",
        diagnostics: "Could not export Observation: timeout for Mrs Canary",
      },
      { severity: "warning" as const, code: "informational", diagnostics: "Encounter is slow" },
    ];
    const { call } = await setUp({
      faults: [
        {
          match: poll,
          occurrences: { from: 2 },
          fault: { kind: "error-file", issues, instead: "Observation" },
        },
      ],
    });
    const batch = await exportBulk(call);
    expect(batch.incompleteTypes).toEqual(["Observation"]);
    expect(batch.problems).toContainEqual({
      severity: "error",
      type: "Observation",
      message: "The server reported 1 issue of code 'exception' with the export.",
    });
    expect(JSON.stringify(batch.problems)).not.toContain("Canary");
  });

  it("garbage lines are left to landing, which puts them into quarantine", async () => {
    const { call } = await setUp({
      faults: [{ match: file, occurrences: [1], fault: { kind: "garbage-line", text: "not json", line: 3 } }],
      changes: { export: { countMember: false } },
    });
    expect(linesOf(await exportBulk(call))).toContain("not json");
  });
});

describe("an export that was stopped", () => {
  const labels = [
    "kickoff.intended",
    "kickoff.answered",
    "kickoff.saved",
    "page.saved",
    "file.renamed",
    "file.recorded",
    "changes.written",
    "batch.ready",
  ];

  it.each(labels)("at '%s' goes on there and fetches no finished file again", async (label) => {
    const { server, call } = await setUp();
    const first = await exportBulk(call);
    await finishExport(call);
    server.store.delete("Encounter", "e1");
    for (let n = 0; n < 35; n++)
      server.store.put(
        "Observation",
        `o${n}`,
        `{"resourceType":"Observation","id":"o${n}","status":"final"}`,
      );
    server.requests.clear();
    const again = { ...call, since: first.transactionTime };
    for (let k = 1; k <= 3; k++) {
      let left = k;
      const stopped = exportBulk({
        ...again,
        checkpoint: (reached) => {
          if (reached === label && --left === 0) throw new Error("stopped here");
        },
      });
      await stopped.catch((error: unknown) => expect(String(error)).toContain("stopped here"));
    }
    const batch = await exportBulk(again);
    expect(linesOf(batch)).toEqual(liveOn(server, ["Observation"]));
    expect(linesOf(batch, "changes")).toHaveLength(1);
    expect([...server.requests.filesFetched().values()].every((times) => times === 1)).toBe(true);
    expect(server.requests.matching({ path: /\$export$/ })).toHaveLength(
      ["kickoff.answered"].includes(label) ? 2 : 1,
    );
  });

  it("gives the same batch again until it is finished, without asking anything", async () => {
    const { server, call } = await setUp();
    const first = await exportBulk(call);
    const asked = server.requests.all.length;
    const second = await exportBulk(call);
    expect(second.files).toEqual(first.files);
    expect(second.statistics.resumedFiles).toBe(first.files.length);
    expect(server.requests.all).toHaveLength(asked);
  });

  it("does not hand out a committed batch again", async () => {
    const { server, call } = await setUp();
    const first = await exportBulk(call);
    server.store.put("Patient", "new", '{"resourceType":"Patient","id":"new"}');
    const second = await exportBulk({ ...call, newerThan: first.transactionTime });
    expect(second.transactionTime > first.transactionTime).toBe(true);
    expect(linesOf(second)).toEqual(liveOn(server));
    expect(server.requests.matching({ method: "DELETE" })).toHaveLength(1);
  });

  it.each<ProfileName>(["full", "epic-like"])(
    "does not hand out a batch begun before what is committed (%s)",
    async (profile) => {
      const { server, clock, ...world } = await setUp({ profile });
      const call = { ...world.call, level: { kind: "group", id: "g" } as const };
      const stop = (label: string): void => {
        if (label === "kickoff.saved") throw new Error("stop");
      };
      await exportBulk({ ...call, checkpoint: stop }).catch(() => undefined);
      clock.advance(60_000);
      server.store.put("Patient", "p1", '{"resourceType":"Patient","id":"p1","active":true}');
      const newerThan = clock.now().toISOString();
      clock.advance(1000);
      const batch = await exportBulk({ ...call, newerThan });
      expect(batch.transactionTime > newerThan).toBe(true);
      expect(linesOf(batch)).toEqual(liveOn(server));
    },
  );

  it("is given up for another request, and the server is told", async () => {
    const { server, call } = await setUp();
    await exportBulk({
      ...call,
      checkpoint: (label) => {
        if (label === "page.saved") throw new Error("stop");
      },
    }).catch(() => undefined);
    const batch = await exportBulk({ ...call, types: ["Patient"] });
    expect(linesOf(batch)).toEqual(liveOn(server, ["Patient"]));
    expect(server.requests.matching({ method: "DELETE", status: 202 })).toHaveLength(1);
  });

  it("starts anew when the server has forgotten the job", async () => {
    const { server, call } = await setUp();
    await exportBulk({
      ...call,
      checkpoint: (label) => {
        if (label === "file.recorded") throw new Error("stop");
      },
    }).catch(() => undefined);
    server.expire("jobs");
    server.store.put("Patient", "late", '{"resourceType":"Patient","id":"late"}');
    const batch = await exportBulk(call);
    expect(linesOf(batch)).toEqual(liveOn(server));
    expect(batch.statistics.resumedFiles).toBe(0);
  });

  it("takes renewed links for the files that are missing", async () => {
    const { server, clock, call } = await setUp({ export: { linkMs: 60_000 } });
    await exportBulk({
      ...call,
      checkpoint: (label) => {
        if (label === "file.recorded") throw new Error("stop");
      },
    }).catch(() => undefined);
    clock.advance(120_000);
    expect(linesOf(await exportBulk(call))).toEqual(liveOn(server));
    expect(server.requests.matching({ path: /\$export$/ })).toHaveLength(1);
    expect([...server.requests.filesFetched().values()].every((times) => times === 1)).toBe(true);
  });

  it("does not take state that it cannot read", async () => {
    const { call } = await setUp();
    await exportBulk(call);
    writeFileSync(path.join(call.workDir, "state.json"), '{"version":99}');
    await expect(exportBulk(call)).rejects.toMatchObject({ code: "source/damaged-state" });
  });

  it("fetches a file again that has vanished or was cut on the disk", async () => {
    const world = await setUp();
    const { server, call } = world;
    const batch = await exportBulk(call);
    rmSync(batch.files[0]!.path);
    truncateSync(batch.files[1]!.path, 10);
    const asked = fileRequests(world);
    expect(linesOf(await exportBulk(call))).toEqual(liveOn(server));
    expect(fileRequests(world) - asked).toBe(2);
  });
});

describe("finishing and cancelling", () => {
  it("tells the server and empties the folder; doing it twice is fine", async () => {
    const { server, call } = await setUp();
    await exportBulk(call);
    expect(await finishExport(call)).toEqual({ released: true });
    expect(readdirSync(call.workDir)).toEqual([]);
    expect(await finishExport(call)).toEqual({ released: true });
    expect(server.requests.matching({ method: "DELETE", status: 202 })).toHaveLength(1);
  });

  it("takes a job that the server removed by itself for done", async () => {
    const { server, call } = await setUp();
    await exportBulk(call);
    server.expire("jobs");
    expect(await finishExport(call)).toEqual({ released: true });
  });

  it("remembers a job that it could not give up, until the next export", async () => {
    const { server, call } = await setUp({ profile: "epic-like" });
    const group = { ...call, level: { kind: "group", id: "g" } as const };
    await exportBulk(group);
    server.faults.add({
      match: { method: "DELETE" },
      occurrences: [1, 2],
      fault: { kind: "status", status: 503 },
    });
    expect(await finishExport(group)).toEqual({ released: false });
    expect(readFileSync(path.join(call.workDir, "state.json"), "utf8")).toContain("_jobs");
    expect(linesOf(await exportBulk(group))).toEqual(liveOn(server));
    expect(server.requests.matching({ status: 429 })).toEqual([]);
  });

  it("cancels a job in progress", async () => {
    const { server, call } = await setUp({ export: { polls: 1e9 } });
    const controller = new AbortController();
    const running = exportBulk({
      ...call,
      signal: controller.signal,
      onProgress: ({ waitMs }) => {
        if (waitMs !== undefined) controller.abort();
      },
    });
    await expect(running).rejects.toMatchObject({ code: "source/aborted" });
    expect(await cancelExport(call)).toEqual({ released: true });
    expect(server.requests.matching({ method: "DELETE", status: 202 })).toHaveLength(1);
    expect(readdirSync(call.workDir)).toEqual([]);
  });
});
