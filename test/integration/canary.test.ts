import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { commit } from "#lake";
import { SELF_CHECK_STREAM, type SelfCheckResult } from "../../src/app/canary.js";
import type { LakeServer } from "../../src/app/serve.js";
import { type FhirServer, startFhirServer } from "../support/fhir-server/index.js";
import { NOTIFY_SECRET, serveLive } from "../support/serve-live.js";
import { SourceLake } from "../support/source-lake.js";

const VIEW = "patient_names";

function patient(id: string, family: string): string {
  const lastUpdated = new Date().toISOString();
  return JSON.stringify({ resourceType: "Patient", id, meta: { lastUpdated }, name: [{ family }] });
}

describe("the check of merged reads against themselves", () => {
  let server: FhirServer;
  let lake: SourceLake;
  let serving: LakeServer;
  const alarms: SelfCheckResult[] = [];
  const checks: SelfCheckResult[] = [];

  beforeEach(async () => {
    alarms.length = 0;
    checks.length = 0;
    server = await startFhirServer({ export: { retryAfter: 0 } });
    for (const id of ["p1", "p2", "p3"]) server.store.put("Patient", id, patient(id, `Family ${id}`));
    lake = await SourceLake.open({ url: server.url, kind: "bulk", types: ["Patient"] }, { views: true });
    await lake.run();
    serving = await serveLive(lake.lake, lake.context.views, {
      selfCheck: {
        everyMs: 0,
        viewsPerCheck: 100,
        onResult: (result) => void checks.push(result),
        onDifference: async (result) => void alarms.push(result),
      },
    });
  });
  afterEach(async () => {
    await serving.close();
    await lake.close();
    await server.close();
  });

  const send = async (id: string, family: string): Promise<void> => {
    const response = await fetch(`${serving.url}/notify/main/${NOTIFY_SECRET}`, {
      method: "POST",
      body: patient(id, family),
    });
    expect(response.status).toBe(204);
    const rows = serving.live!.rows;
    await rows.reached(await serving.live!.journal.head());
  };
  const checked = (count: number): Promise<void> =>
    expect.poll(() => checks.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(count);

  it("finds flushes right while changes keep coming, and keeps a record of it", async () => {
    await send("p1", "Changed");
    await send("p4", "New");
    const flushing = serving.live!.flush();
    await send("p2", "Meanwhile");
    await flushing;
    // What the flush has covered changes again before the check can be over.
    await send("p1", "Again");
    await send("p4", "Again");
    await checked(1);
    expect(checks[0]).toMatchObject({ differences: [], compared: expect.arrayContaining([VIEW]) as unknown });
    expect(alarms).toEqual([]);
    const recorded = [];
    for await (const { data } of serving.live!.journal.readStream(SELF_CHECK_STREAM)) recorded.push(data);
    expect(recorded).toEqual(checks);
    const freshness = (await (await fetch(`${serving.url}/freshness`)).json()) as { selfCheck: unknown };
    expect(freshness.selfCheck).toMatchObject({
      snapshots: [checks[0]!.before, checks[0]!.after],
      differences: [],
    });
  });

  it("raises the alarm for a snapshot whose view has lost a file", async () => {
    await send("p1", "Changed");
    await commit(lake.lake, async (head) => ({
      operation: { kind: "compact", tables: [], views: [VIEW] },
      views: { [VIEW]: { ...head!.views[VIEW]!, layers: [] } },
    }));
    await checked(1);
    await expect.poll(() => alarms.length, { timeout: 10_000 }).toBe(1);
    // p1 is live over both snapshots; the rows of p2 and p3 are gone.
    expect(alarms[0]!.differences).toEqual([{ view: VIEW, onlyBefore: 2, onlyAfter: 0 }]);
  });

  it("compares nothing across a snapshot that a run of the source made", async () => {
    server.store.put("Patient", "p3", patient("p3", "By the run"));
    await lake.run();
    const { id } = await lake.lake.head();
    await expect.poll(() => serving.live!.rows.state().snapshot, { timeout: 10_000 }).toBe(id);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(alarms).toEqual([]);
    expect(checks.flatMap(({ before, after }) => (before < id - 1 && after >= id ? [after] : []))).toEqual(
      [],
    );
  });
});
