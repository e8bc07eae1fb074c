import { afterEach, describe, expect, it } from "vitest";
import { type FhirServer, type FhirServerOptions, startFhirServer } from "../support/fhir-server/index.js";
import { SourceLake, serverRows } from "../support/source-lake.js";

const TYPES = ["Observation", "Patient"];
let server: FhirServer;
let lake: SourceLake;
afterEach(async () => {
  await lake.close();
  await server.close();
});

function put(type: string, id: string, meta = ""): void {
  server.store.import(type, id, Buffer.from(`{"resourceType":"${type}","id":"${id}"${meta}}`));
}

async function begin(options: FhirServerOptions, source: Readonly<Record<string, unknown>>): Promise<void> {
  server = await startFhirServer({ export: { retryAfter: 0 }, ...options });
  for (let i = 1; i <= 12; i++) for (const type of TYPES) put(type, `r${i}`);
  server.clock.shift(2000);
  lake = await SourceLake.open({ url: server.url, types: TYPES, completeness: { sample: 0 }, ...source });
}

const state = async () => (await lake.lake.head()).sources["main"]!;

describe("deletes found by comparison", () => {
  it("win over versions that the source dates in the future", async () => {
    const search = { kind: "search", deletes: { policy: "reconcile", every: "0s" } };
    await begin({ profile: "no-history", changes: { lastUpdatedSearch: "ignored" } }, search);
    put("Patient", "late", ',"meta":{"lastUpdated":"2099-01-01T00:00:00.123456Z"}');
    await lake.run();
    expect((await lake.live()).has("Patient/late")).toBe(true);
    server.store.delete("Patient", "late");
    server.clock.shift(2000);
    const next = await lake.run();
    expect(next.record.state).toBe("succeeded");
    expect(await lake.live()).toEqual(serverRows(server, TYPES));
    expect(await state()).toMatchObject({ deletesVerified: true });
  });

  it("are none for what pages have missed and a read finds", async () => {
    const search = { kind: "search", deletes: { policy: "reconcile", every: "0s" } };
    await begin({ profile: "no-history", changes: { lastUpdatedSearch: "ignored" } }, search);
    await lake.run();
    // The second run does not see one of them on any page, nor in any count.
    server.faults.add({
      match: { pattern: "/fhir/Patient\\?" },
      fault: { kind: "replace-text", search: '"id":"r3"', replacement: '"id":"r4"' },
    });
    server.faults.add({ match: { pattern: "_summary=count" }, fault: { kind: "change-total", by: -1 } });
    const next = await lake.run();
    expect(next.record.types["Patient"]).toMatchObject({ deleted: 0 });
    expect((await lake.live()).has("Patient/r3")).toBe(true);
    expect(server.requests.matching({ path: "/fhir/Patient/r3", status: 200 })).not.toHaveLength(0);
  });

  it("are not concluded from a list of ids that an interrupted run left", async () => {
    await begin(
      { profile: "no-history" },
      { kind: "bulk", attempts: 1, deletes: { policy: "reconcile", every: "0s" } },
    );
    await lake.run();
    // Nothing has changed, so the only files of the second run are those of the ids.
    server.faults.add({ match: { pattern: "/_files/" }, fault: { kind: "status", status: 500 } });
    const interrupted = await lake.run();
    expect(interrupted.record).toMatchObject({ state: "failed", error: { code: "source/unavailable" } });
    server.faults.clear();
    put("Patient", "new");
    server.store.delete("Patient", "r2");
    server.clock.shift(2000);
    await lake.run();
    await lake.run();
    expect(await lake.live()).toEqual(serverRows(server, TYPES));
    expect(await state()).toMatchObject({ deletesVerified: true });
  });

  it("are confirmed by reading where the lake's version is later than a full export that lacks it", async () => {
    await begin(
      { profile: "no-history", changes: { export: { gzip: false } } },
      { kind: "bulk", attempts: 1, deletes: { policy: "fullExportIsComplete" } },
    );
    put("Patient", "z9", ',"meta":{"lastUpdated":"2099-01-01T00:00:00Z"}');
    await lake.run();
    // As if both had come about, and been brought by notifications, while the export was under way.
    for (const id of ["z9", "r3"]) {
      const search = `"id":"${id}"`;
      server.faults.add({
        match: { pattern: "/_files/.*Patient" },
        fault: { kind: "replace-text", search, replacement: '"id":"r4"' },
      });
    }
    expect((await lake.run()).record.types["Patient"]).toMatchObject({ deleted: 1 });
    const live = await lake.live();
    expect(live.has("Patient/z9")).toBe(true);
    expect(live.has("Patient/r3")).toBe(false);
    expect(server.requests.matching({ path: "/fhir/Patient/z9", status: 200 })).toHaveLength(1);
    expect(server.requests.matching({ path: "/fhir/Patient/r3" })).toHaveLength(0);
  });

  it("of one type wait for the user while those of another are taken", async () => {
    const search = { kind: "search", deletes: { policy: "reconcile", every: "0s" } };
    await begin({ profile: "no-history" }, search);
    await lake.run();
    for (let i = 1; i <= 6; i++) server.store.delete("Observation", `r${i}`);
    server.store.delete("Patient", "r1");
    server.clock.shift(2000);
    const next = await lake.run();
    expect(next.record.state).toBe("incomplete");
    expect(next.record.warnings.join()).toContain("6 of 12 Observation are missing");
    const live = await lake.live();
    expect(live.has("Patient/r1")).toBe(false);
    expect(live.has("Observation/r1")).toBe(true);
    await lake.run({ acceptDeletes: true });
    expect(await lake.live()).toEqual(serverRows(server, TYPES));
  });

  it("come with resources that the lake lacks although nothing says that they changed", async () => {
    const search = { kind: "search", deletes: { policy: "reconcile", every: "0s" } };
    await begin({ profile: "no-history" }, search);
    await lake.run();
    // A resource that became visible: its time is long past.
    put("Patient", "shown", ',"meta":{"lastUpdated":"2020-01-01T00:00:00Z"}');
    server.clock.shift(2000);
    const next = await lake.run();
    expect(next.record).toMatchObject({ state: "succeeded", warnings: [] });
    expect(await lake.live()).toEqual(serverRows(server, TYPES));
  });
});
