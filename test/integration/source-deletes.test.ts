import { afterEach, describe, expect, it } from "vitest";
import { type FhirServer, type FhirServerOptions, startFhirServer } from "../support/fhir-server/index.js";
import { SourceLake, serverRows } from "../support/source-lake.js";

const TYPES = ["Observation", "Patient"];

function patient(id: string, family: string): string {
  return JSON.stringify({ resourceType: "Patient", id, name: [{ family }] });
}

function observation(id: string, person: string): string {
  return `{"resourceType":"Observation","id":"${id}","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/${person}"}}`;
}

let server: FhirServer;
let lake: SourceLake;
afterEach(async () => {
  await lake.close();
  await server.close();
});

async function begin(options: FhirServerOptions, source: Readonly<Record<string, unknown>>): Promise<void> {
  server = await startFhirServer({ export: { retryAfter: 0 }, ...options });
  const member = Array.from({ length: 12 }, (_, i) => ({ entity: { reference: `Patient/p${i + 1}` } }));
  const group = { resourceType: "Group", id: "all", type: "person", actual: true, member };
  server.store.put("Group", "all", JSON.stringify(group));
  for (let i = 1; i <= 12; i++) {
    server.store.put("Patient", `p${i}`, patient(`p${i}`, `Family ${i}`));
    server.store.put("Observation", `o${i}`, observation(`o${i}`, `p${i}`));
  }
  // Windows of searches end at a whole second of the server; what is younger comes with the next run.
  server.clock.shift(2000);
  lake = await SourceLake.open({ url: server.url, types: TYPES, ...source });
}

const state = async () => (await lake.lake.head()).sources["main"]!;

describe("a source that tells no times, no versions and no deletes", () => {
  it("is kept equal by comparing full exports; only changes are written", async () => {
    await begin(
      { profile: "no-since" },
      { kind: "bulk", level: { group: "all" }, deletes: { policy: "fullExportIsComplete" } },
    );
    const first = await lake.run();
    expect(first.record).toMatchObject({ state: "succeeded", types: { Patient: { stored: 12 } } });
    expect([...(await lake.live()).values()][0]).not.toContain("lastUpdated");

    server.store.put("Patient", "p3", patient("p3", "Changed"));
    server.store.delete("Observation", "o5");
    server.store.delete("Patient", "p5");
    const night = await lake.run();
    expect(night.record).toMatchObject({ state: "succeeded", warnings: [] });
    expect(night.record.types["Patient"]).toMatchObject({
      since: null,
      stored: 2,
      deleted: 1,
      unchanged: 10,
    });
    expect(night.record.types["Observation"]).toMatchObject({ stored: 1, deleted: 1, unchanged: 11 });
    expect(await lake.live()).toEqual(serverRows(server, TYPES));
    expect(await state()).toMatchObject({ deletesVerified: true });

    // What comes back is live again.
    server.store.put("Observation", "o5", observation("o5", "p1"));
    await lake.run();
    expect(await lake.live()).toEqual(serverRows(server, TYPES));
    const before = (await lake.lake.head()).tables["Patient"]!.layers.length;
    const quiet = await lake.run();
    expect(quiet.record.types["Patient"]).toMatchObject({ stored: 0, unchanged: 11 });
    expect((await lake.lake.head()).tables["Patient"]!.layers.length).toBe(before);
  });

  it("does not take a great loss for deletes until it is told to", async () => {
    await begin(
      { profile: "no-since" },
      { kind: "bulk", level: { group: "all" }, deletes: { policy: "fullExportIsComplete" } },
    );
    await lake.run();
    for (let i = 1; i <= 6; i++) server.store.delete("Observation", `o${i}`);
    const held = await lake.run();
    expect(held.record).toMatchObject({ state: "incomplete" });
    expect(held.record.warnings.join()).toContain("6 of 12 Observation are missing");
    expect((await lake.live()).size).toBe(24);
    expect(await state()).toMatchObject({ deletesVerified: false });
    const accepted = await lake.run({ acceptDeletes: true });
    expect(accepted.record).toMatchObject({ state: "succeeded", types: { Observation: { deleted: 6 } } });
    expect(await lake.live()).toEqual(serverRows(server, TYPES));
    expect(await state()).toMatchObject({ deletesVerified: true });
  });
});

describe("deletes that the export does not list", () => {
  it("come from the histories where the server has them", async () => {
    await begin({ profile: "hapi-like" }, { kind: "auto" });
    const first = await lake.run();
    expect(first.record).toMatchObject({ state: "succeeded", kind: "bulk" });
    server.store.delete("Patient", "p2");
    server.store.put("Patient", "p4", patient("p4", "Changed"));
    const next = await lake.run();
    expect(next.record).toMatchObject({ state: "succeeded", types: { Patient: { deleted: 1 } } });
    expect(await lake.live()).toEqual(serverRows(server, TYPES));
    expect(await state()).toMatchObject({ deletesVerified: true });
  });

  it("are found by comparing ids when that is due, and are said to be unknown until then", async () => {
    await begin({ profile: "no-history" }, { kind: "bulk", deletes: { policy: "reconcile", every: "1h" } });
    await lake.run();
    server.store.delete("Patient", "p2");
    const soon = await lake.run();
    expect(soon.error).toBeUndefined();
    expect(soon.record.types["Patient"]).toMatchObject({ deleted: 0 });
    expect(await state()).toMatchObject({ deletesVerified: false });
    const location = lake.lake.store.location;
    await lake.close();
    const source = {
      url: server.url,
      types: TYPES,
      kind: "bulk",
      deletes: { policy: "reconcile", every: "0s" },
    };
    lake = await SourceLake.open(source, { location });
    const due = await lake.run();
    expect(due.record).toMatchObject({ state: "succeeded" });
    expect(await lake.live()).toEqual(serverRows(server, TYPES));
    expect(await state()).toMatchObject({ deletesVerified: true });
  });
});

describe("a source read by search", () => {
  it("follows updates and deletes by windows and histories", async () => {
    await begin({}, { kind: "search", overlap: "1m" });
    const first = await lake.run();
    expect(first.record).toMatchObject({
      state: "succeeded",
      kind: "search",
      types: { Patient: { stored: 12 } },
    });
    expect(await lake.live()).toEqual(serverRows(server, TYPES));
    server.store.put("Patient", "p1", patient("p1", "Changed"));
    server.store.put("Patient", "new", patient("new", "New"));
    server.store.delete("Observation", "o3");
    server.clock.shift(2000);
    const next = await lake.run();
    expect(next.record.state).toBe("succeeded");
    expect(await lake.live()).toEqual(serverRows(server, TYPES));
    expect(await state()).toMatchObject({ deletesVerified: true });
  });

  it("finds deletes by comparing ids where there is no history, and confirms them by reading", async () => {
    await begin({ profile: "no-history" }, { kind: "search", deletes: { policy: "reconcile", every: "0s" } });
    await lake.run();
    server.store.delete("Observation", "o3");
    server.clock.shift(2000);
    const next = await lake.run();
    expect(next.record.state).toBe("succeeded");
    expect(await lake.live()).toEqual(serverRows(server, TYPES));
    expect(server.requests.matching({ path: "/fhir/Observation/o3", status: 410 })).not.toHaveLength(0);
  });
});
