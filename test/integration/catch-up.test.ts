import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Ledger } from "#runs";
import { type CatchUp, startCatchUp } from "../../src/app/catch-up.js";
import type { SourceDefinition } from "../../src/app/source-run/source.js";
import { type FhirServer, startFhirServer } from "../support/fhir-server/index.js";
import { named } from "../support/followed-lake.js";
import { SourceLake } from "../support/source-lake.js";

const PATIENTS = { kind: "search", types: ["Patient"], completeness: { sample: 0, counts: false } };

describe("runs out of their schedules", () => {
  let slow: FhirServer;
  let quick: FhirServer;
  let lake: SourceLake;
  let catchUp: CatchUp;
  beforeEach(async () => {
    slow = await startFhirServer();
    quick = await startFhirServer();
    for (const server of [slow, quick]) server.store.put("Patient", "p1", named("p1", "A"));
    lake = await SourceLake.open({ url: slow.url, ...PATIENTS });
    const config = lake.config.sources["main"]!;
    const definition = (name: string, url: string): [string, SourceDefinition] => [
      name,
      { name, config: { ...config, url }, folder: ".", environment: {} },
    ];
    catchUp = startCatchUp(
      lake.context,
      new Map([definition("slow", slow.url), definition("quick", quick.url)]),
    );
  });
  afterEach(async () => {
    await catchUp.close();
    await lake.close();
    await slow.close();
    await quick.close();
  });
  const stall = (): void =>
    slow.faults.add({ match: { pattern: "Patient" }, fault: { kind: "delay", milliseconds: 60_000 } });

  it("of one source do not wait for those of another", async () => {
    stall();
    let slowEnded = false;
    const waiting = catchUp.run("slow").then((outcome) => {
      slowEnded = true;
      return outcome;
    });
    await expect.poll(() => slow.requests.all.length).toBeGreaterThan(0);
    for (let again = 0; again < 2; again++)
      expect((await catchUp.run("quick"))?.record.state).toBe("succeeded");
    expect(slowEnded).toBe(false);
    await catchUp.close();
    expect((await waiting)?.record.state).toBe("interrupted");
  });

  it("of one source happen one at a time, and all wishes during one come to one more", async () => {
    const outcomes = await Promise.all([1, 2, 3].map(() => catchUp.run("quick")));
    expect(outcomes.map((outcome) => outcome?.record.state)).toEqual(["succeeded", "succeeded", "succeeded"]);
    expect(new Set(outcomes.map((outcome) => outcome?.record.runId)).size).toBe(2);
  });

  it("all end when it is closed, and none begins after", async () => {
    stall();
    quick.faults.add({ match: { pattern: "Patient" }, fault: { kind: "delay", milliseconds: 60_000 } });
    const running = [catchUp.run("slow"), catchUp.run("quick"), catchUp.run("quick")];
    await expect.poll(() => slow.requests.all.length * quick.requests.all.length).toBeGreaterThan(0);
    await catchUp.close();
    const states = (await Promise.all(running)).map((outcome) => outcome?.record.state);
    expect(states).toEqual(["interrupted", "interrupted", undefined]);
    expect(await catchUp.run("slow")).toBeUndefined();
    const { store } = lake.lake;
    const runs = await new Ledger({ store, clock: lake.context.clock }).list({});
    expect(runs.map(({ state }) => state)).toEqual(["interrupted", "interrupted"]);
  });
});
