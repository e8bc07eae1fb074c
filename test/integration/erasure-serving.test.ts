import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { buildViews, commitLanding } from "#batch";
import { createFhirHttp } from "#ingestion";
import { Lake, pin } from "#lake";
import { type LakeServer, serveLake } from "../../src/app/serve.js";
import { canariesIn } from "../support/canary-scan.js";
import { cli } from "../support/cli.js";
import { type FhirServer, startFhirServer } from "../support/fhir-server/index.js";
import { land } from "../support/landing.js";
import { peopleView } from "../support/people-view.js";
import { motoPython, s3Environment, startS3Server } from "../support/s3-server.js";
import { NOTIFY_SECRET, serveLive } from "../support/serve-live.js";
import { SourceLake } from "../support/source-lake.js";

const CANARY = "ZQX-CANARY-NAME";

function patient(id: string, family: string): string {
  return JSON.stringify({ resourceType: "Patient", id, name: [{ family }] });
}

function observation(id: string, subject: string, text: string): string {
  const code = { text, coding: [{ system: "urn:test", code: text }] };
  return JSON.stringify({
    resourceType: "Observation",
    id,
    status: "final",
    code,
    subject: { reference: subject },
  });
}

async function rows(url: string): Promise<string[]> {
  const response = await fetch(url);
  expect(response.status).toBe(200);
  const [, ...lines] = (await response.text()).trim().split(/\r?\n/);
  return lines.sort();
}

describe("an erasure by another process while a lake is served", () => {
  let server: FhirServer;
  let lake: SourceLake;
  let serving: LakeServer;

  beforeEach(async () => {
    server = await startFhirServer({ export: { retryAfter: 0 } });
    server.store.put("Patient", "ann", patient("ann", "Able"));
    server.store.put("Patient", "gone", patient("gone", CANARY));
    lake = await SourceLake.open(
      { url: server.url, kind: "bulk", types: ["Patient", "Observation"] },
      { views: true },
    );
    await lake.run();
    const http = createFhirHttp({ baseUrl: server.url, auth: { kind: "none" } });
    serving = await serveLive(lake.lake, lake.context.views, {
      live: { fetchBack: { source: () => ({ policy: "time", http }), sources: ["main"] } },
    });
  });
  afterEach(async () => {
    await serving.close();
    await lake.close();
    await server.close();
  });

  const notify = async (body: string): Promise<number> => {
    const { status } = await fetch(`${serving.url}/notify/main/${NOTIFY_SECRET}`, { method: "POST", body });
    return status;
  };
  const caughtUp = async (): Promise<string> => {
    const head = await serving.live!.journal.head();
    return `min_epoch=${head}`;
  };
  const families = async (): Promise<string[]> =>
    rows(`${serving.url}/views/patient_names.csv?select=family&${await caughtUp()}`);
  const observed = async (): Promise<string[]> =>
    rows(`${serving.url}/views/observation.csv?select=id&${await caughtUp()}`);
  const payloads = async (): Promise<string> => {
    const events = await serving.live!.journal.readAll(0, 1000);
    return events
      .map(({ payload = "" }) => payload + Buffer.from(payload, "base64").toString("utf8"))
      .join("\n");
  };

  it("takes the person out of live answers, held memory and the journal, without a restart and for good", async () => {
    const head = (await lake.lake.head()).id;
    await pin(lake.lake, { name: "paper", snapshot: head });
    const pinned = `${serving.url}/views/patient_names.csv?snapshot=${head}`;
    for (const body of [
      patient("gone", `${CANARY} changed`),
      observation("late", "Patient/gone", CANARY),
      observation("hers", "Patient/ann", "pulse"),
    ]) {
      expect(await notify(body)).toBe(204);
    }
    expect(await notify(`{"about":"Patient/gone","name":"${CANARY}"`)).toBe(422);
    expect(await families()).toEqual(["Able", `${CANARY} changed`]);
    expect(await observed()).toEqual(["hers", "late"]);
    const before = await fetch(`${serving.url}/views/observation.csv?select=id`);
    expect((await fetch(pinned)).status).toBe(200);
    expect(await payloads()).toContain(CANARY);

    const erased = await cli([
      "erase",
      "--lake",
      lake.lake.store.location,
      "--patient",
      "main/Patient/gone",
      "--mentions",
      "keep",
    ]);
    expect(erased.stderr + erased.stdout).toContain("is complete");
    expect(await families()).toEqual(["Able"]);
    expect(await observed()).toEqual(["hers"]);
    expect((await fetch(pinned)).status).toBe(410);
    const etag = before.headers.get("etag")!;
    const again = await fetch(`${serving.url}/views/observation.csv?select=id`, {
      headers: { "if-none-match": etag },
    });
    expect(again.status).toBe(200);
    expect(await payloads()).not.toContain(CANARY);

    // What the source sends of the person afterwards is in no answer and in no snapshot.
    expect(await notify(patient("gone", "Returned"))).toBe(204);
    expect(await notify(observation("later", "Patient/gone", "pulse"))).toBe(204);
    expect(await notify(observation("hers too", "Patient/ann", "pulse"))).toBe(422);
    expect(await notify(observation("hers-too", "Patient/ann", "pulse"))).toBe(204);
    expect(await families()).toEqual(["Able"]);
    expect(await observed()).toEqual(["hers", "hers-too"]);
    await serving.live!.flush();
    expect(await families()).toEqual(["Able"]);
    expect(await observed()).toEqual(["hers", "hers-too"]);
    expect(await canariesIn(lake.lake, lake.lake.store.location, [CANARY])).toEqual([]);
  }, 60_000);
});

describe.skipIf(motoPython() === undefined)("an erasure while a lake in a bucket is served", () => {
  it("leaves nothing of the person in the bucket or in the local copies of the serving process", async () => {
    const s3 = await startS3Server();
    const cache = await mkdtemp(path.join(tmpdir(), "fhir-lake-erasure-cache-"));
    const environment = s3Environment(s3.endpoint, cache);
    Object.assign(process.env, environment);
    const location = `s3://${s3.bucket}/erasure`;
    const lake = await Lake.open({ location });
    const views = peopleView(lake);
    for (const [id, family] of [
      ["ann", "Able"],
      ["gone", CANARY],
      ["bob", "Baker"],
    ] as const) {
      const meta = { lastUpdated: "2026-01-01T00:00:00Z" };
      const landing = await land([{ resource: { resourceType: "Patient", id, meta, name: [{ family }] } }]);
      await commitLanding(lake, { ...landing, views });
      await buildViews(lake, { views });
    }
    const serving = await serveLake(lake, { host: "127.0.0.1", port: 0, compaction: false });
    try {
      const url = `${serving.url}/views/people.csv?select=family`;
      expect(await rows(url)).toEqual(["Able", "Baker", CANARY]);
      expect((await canariesIn(lake, cache, [CANARY])).length).toBeGreaterThan(0);
      const args = ["erase", "--lake", location, "--patient", "test/Patient/gone"];
      const erased = await cli(args, { env: environment });
      expect(erased.stderr + erased.stdout).toContain("is complete");
      expect(await rows(url)).toEqual(["Able", "Baker"]);
      let left = await canariesIn(lake, cache, [CANARY]);
      for (let i = 0; i < 60 && left.length > 0; i++) {
        await sleep(250);
        left = await canariesIn(lake, cache, [CANARY]);
      }
      expect(left).toEqual([]);
      for await (const { key } of lake.store.list("")) {
        expect(Buffer.from(await lake.store.get(key)).includes(CANARY), key).toBe(false);
      }
    } finally {
      await serving.close();
      await lake.close();
      s3.stop();
      await rm(cache, { recursive: true, force: true });
    }
  }, 60_000);
});
