import { generateKeyPairSync } from "node:crypto";
import { readdirSync } from "node:fs";
import type { JSONWebKeySet } from "jose";
import { describe, expect, it } from "vitest";
import {
  clientOf,
  exportWorld,
  filledServer,
  linesOf,
  liveOn,
  TYPES,
  workFolder,
} from "../../test/support/export-fixture.js";
import type { ProfileName } from "../../test/support/fhir-server/index.js";
import { publicJwks } from "../http/index.js";
import { exportBulk, finishExport } from "./export.js";
import type { ExportEvent, ExportOptions, ExportProgress } from "./options.js";

const types = [...TYPES];
const system = { kind: "system" } as const;

describe("a bulk export", () => {
  it("brings every live resource byte for byte, with the server's time", async () => {
    const world = await exportWorld();
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
    const { server, call } = await exportWorld();
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
    const { call } = await exportWorld();
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
    const { server, call } = await exportWorld();
    expect(linesOf(await exportBulk({ ...call, ...changes }))).toEqual(liveOn(server));
  });

  it("sends type filters and until", async () => {
    const { server, call } = await exportWorld();
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
      const { server, call } = await exportWorld({ profile });
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
    const { clock, call } = await exportWorld({ export: { polls: 1, retryAfter } });
    const waited: (number | undefined)[] = [];
    await exportBulk({ ...call, onProgress: ({ waitMs }) => waited.push(waitMs) });
    const wait = waited.find((ms) => ms !== undefined)!;
    expect(wait).toBeGreaterThanOrEqual(expected);
    expect(wait).toBeLessThanOrEqual(retryAfter === "gibberish" ? expected * 1.5 : expected);
    expect(clock.now().getTime() - Date.parse("2026-11-21T04:00:00.000Z")).toBe(wait);
  });

  it("gives up after its deadline, not before, and tells the server", async () => {
    const { server, clock, call } = await exportWorld({ export: { polls: 1e9, retryAfter: 200 } });
    const deadlineMs = 3_600_000;
    await expect(exportBulk({ ...call, deadlineMs })).rejects.toMatchObject({
      code: "source/export-deadline",
    });
    expect(clock.now().getTime() - Date.parse("2026-11-21T04:00:00.000Z")).toBe(deadlineMs);
    expect(server.requests.matching({ method: "DELETE", status: 202 })).toHaveLength(1);
    expect(readdirSync(call.workDir)).toEqual([]);
  });

  it("tells how far it is and logs what it does, without secrets", async () => {
    const { call } = await exportWorld();
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
    const { call } = await exportWorld();
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
    const { server, call } = await exportWorld();
    const tag = '{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}';
    server.store.put("Patient", "p0", `{"resourceType":"Patient","id":"p0","meta":{"tag":[${tag}]}}`);
    await expect(exportBulk(call)).rejects.toMatchObject({ code: "source/subsetted" });
  });
});
