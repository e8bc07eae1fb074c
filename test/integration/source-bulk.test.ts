import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FhirServer, startFhirServer } from "../support/fhir-server/index.js";
import { SourceLake, serverRows } from "../support/source-lake.js";

const TYPES = ["Observation", "Patient"];

function patient(id: string, family: string): string {
  return JSON.stringify({ resourceType: "Patient", id, name: [{ family }] });
}

function observation(id: string, value: string): string {
  return `{"resourceType":"Observation","id":"${id}","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p1"},"valueQuantity":{"value":${value}}}`;
}

let server: FhirServer;
let lake: SourceLake;
beforeEach(async () => {
  server = await startFhirServer({ export: { retryAfter: 0 } });
  for (let i = 1; i <= 30; i++) server.store.put("Patient", `p${i}`, patient(`p${i}`, `Family ${i}`));
  for (let i = 1; i <= 40; i++) server.store.put("Observation", `o${i}`, observation(`o${i}`, `${i}.10`));
  lake = await SourceLake.open({ url: server.url, kind: "bulk", types: TYPES });
});
afterEach(async () => {
  await lake.close();
  await server.close();
});

describe("a source read by bulk export", () => {
  it("is in the lake to the byte after a full load, with the server's time as watermark", async () => {
    const { record, error } = await lake.run();
    expect(error).toBeUndefined();
    expect(record).toMatchObject({ state: "succeeded", kind: "bulk", warnings: [] });
    expect(record.types["Patient"]).toMatchObject({
      since: null,
      fetched: 30,
      stored: 30,
      deleted: 0,
      error: null,
    });
    expect(await lake.live()).toEqual(serverRows(server, TYPES));
    const state = (await lake.lake.head()).sources["main"]!;
    expect(state.watermarks).toEqual({
      Observation: record.types["Observation"]!.transactionTime,
      Patient: record.types["Patient"]!.transactionTime,
    });
    expect(state).toMatchObject({ deletesVerified: true, run: record.runId, policy: "time" });
    expect(state.completeness).toMatchObject({
      differences: 0,
      counts: { Patient: { source: 30, lake: 30 } },
    });
    expect(state.completeness!.sampled).toBeGreaterThan(0);
  });

  it("takes only what changed, deletes too, and makes no snapshot of data when nothing did", async () => {
    await lake.run();
    server.store.put("Patient", "p1", patient("p1", "Changed"));
    server.store.put("Patient", "new", patient("new", "New"));
    server.store.delete("Observation", "o7");
    server.store.delete("Patient", "p9");
    server.store.put("Patient", "p9", patient("p9", "Back"));
    const { record } = await lake.run();
    expect(record.state).toBe("succeeded");
    expect(record.types["Patient"]).toMatchObject({ fetched: 3, stored: 3 });
    expect(record.types["Observation"]).toMatchObject({ fetched: 1, stored: 1, deleted: 1 });
    expect(record.types["Patient"]!.since).not.toBeNull();
    expect(await lake.live()).toEqual(serverRows(server, TYPES));

    const { record: quiet } = await lake.run();
    expect(quiet.types["Patient"]).toMatchObject({ stored: 0 });
    expect(await lake.live()).toEqual(serverRows(server, TYPES));
  });

  it("applies listed deletes where versions decide, though the list names no version", async () => {
    await lake.close();
    lake = await SourceLake.open({ url: server.url, kind: "bulk", types: TYPES, order: "version" });
    for (let n = 1; n <= 3; n++) server.store.put("Patient", "p1", patient("p1", `Edition ${n}`));
    await lake.run();
    server.store.delete("Patient", "p1");
    server.store.delete("Patient", "p2");
    server.store.put("Patient", "p2", patient("p2", "Back again"));
    const { record, error } = await lake.run();
    expect(error).toBeUndefined();
    expect(record.types["Patient"]).toMatchObject({ deleted: 1 });
    expect(await lake.live()).toEqual(serverRows(server, TYPES));
  });

  it("loses nothing that happens at the very time of the export", async () => {
    // The server's clock stands still, so that writes, watermark and further writes share milliseconds.
    await server.close();
    let now = Date.parse("2026-11-21T02:00:00.000Z");
    server = await startFhirServer({ now: () => now, export: { retryAfter: 0 } });
    server.store.put("Patient", "p1", patient("p1", "One"));
    await lake.close();
    lake = await SourceLake.open({
      url: server.url,
      kind: "bulk",
      types: ["Patient"],
      completeness: { sample: 0 },
    });
    for (let round = 0; round < 6; round++) {
      const { record, error } = await lake.run();
      expect(error).toBeUndefined();
      expect(await lake.live()).toEqual(serverRows(server, ["Patient"]));
      expect(record.state).toBe("succeeded");
      server.store.put("Patient", `q${round}`, patient(`q${round}`, "At the edge"));
      server.store.put("Patient", "p1", patient("p1", `Version ${round}`));
      if (round === 3) server.store.delete("Patient", "q1");
      if (round % 2 === 0) now += 1;
    }
  });

  it("keeps the watermark of a type that the server could not deliver, and catches up", async () => {
    await lake.run();
    const before = (await lake.lake.head()).sources["main"]!.watermarks!;
    server.store.put("Patient", "p1", patient("p1", "Late"));
    server.store.put("Observation", "o1", observation("o1", "9"));
    server.faults.add({
      match: { pattern: "_export|_status|poll|jobs" },
      fault: {
        kind: "error-file",
        issues: [{ severity: "error", code: "exception", diagnostics: "Observation cannot be read" }],
        instead: "Observation",
      },
    });
    const { record } = await lake.run();
    expect(record.state).toBe("incomplete");
    const after = (await lake.lake.head()).sources["main"]!.watermarks!;
    expect(after["Observation"]).toBe(before["Observation"]);
    server.faults.clear();
    const { record: next } = await lake.run();
    expect(next.state).toBe("succeeded");
    expect(await lake.live()).toEqual(serverRows(server, TYPES));
  });

  it("is loaded anew with full, and types that are added are loaded by themselves", async () => {
    await lake.run();
    const again = await lake.run({ full: true });
    expect(again.record.types["Patient"]).toMatchObject({
      since: null,
      fetched: 30,
      stored: 0,
      unchanged: 30,
    });
    server.store.put(
      "Condition",
      "c1",
      '{"resourceType":"Condition","id":"c1","subject":{"reference":"Patient/p1"}}',
    );
    const location = lake.lake.store.location;
    await lake.close();
    lake = await SourceLake.open(
      { url: server.url, kind: "bulk", types: [...TYPES, "Condition"] },
      { location },
    );
    const { record } = await lake.run();
    expect(record.types["Condition"]).toMatchObject({ since: null, stored: 1 });
    expect(record.types["Patient"]!.since).not.toBeNull();
    expect(await lake.live()).toEqual(serverRows(server, [...TYPES, "Condition"]));
  });
});
