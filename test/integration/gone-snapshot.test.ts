import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildViews, commitLanding } from "#batch";
import { systemClock } from "#kernel";
import { erase, Lake, parseResourceName, pin, prepareErasure, vacuum } from "#lake";
import { createQuery, lakeCatalog } from "#query";
import { createApp, type ServingApp, silentLogger } from "#serving";
import { land } from "../support/landing.js";
import { peopleView } from "../support/people-view.js";

let lake: Lake;
let app: ServingApp;

async function ingest(id: string): Promise<number> {
  const views = peopleView(lake);
  const landing = await land([
    { resource: { resourceType: "Patient", id, meta: { lastUpdated: "2026-01-01T00:00:00Z" } } },
  ]);
  await commitLanding(lake, { ...landing, views });
  await buildViews(lake, { views });
  return (await lake.head()).id;
}

const people = async (snapshot?: number): Promise<Response> =>
  app.request(`http://localhost/views/people.json${snapshot === undefined ? "" : `?snapshot=${snapshot}`}`);

beforeAll(async () => {
  lake = await Lake.open({ location: await mkdtemp(path.join(tmpdir(), "fhir-lake-gone-")) });
  const catalog = lakeCatalog(lake);
  const temporaryFolder = await lake.store.stagingDirectory("answers");
  const query = createQuery({ catalog, database: lake.database, temporaryFolder });
  app = createApp({ catalog, query, clock: systemClock, log: silentLogger });
});
afterAll(async () => {
  await lake.close();
  await rm(lake.store.location, { recursive: true, force: true });
});

describe("a snapshot that was removed", () => {
  it("answers 410 with the oldest that can be read, after a vacuum and, though pinned, after an erasure", async () => {
    const first = await ingest("ann");
    const second = await ingest("bob");
    const third = await ingest("cy");
    expect((await people(first)).status).toBe(200);
    await vacuum(lake, { keepSnapshots: 2, graceMs: 0 });
    const gone = await people(first);
    expect(gone.status).toBe(410);
    expect(await gone.json()).toMatchObject({
      type: "urn:fhir-lake:error:lake/snapshot-gone",
      oldest: second,
      reason: "retention",
    });
    await pin(lake, { name: "paper", snapshot: third });
    expect((await people(third)).status).toBe(200);
    const request = await prepareErasure(lake, {
      patients: [parseResourceName("test/Patient/bob")],
      resources: [],
      mentions: "keep",
      allowReturn: false,
    });
    await erase(lake, request);
    const erased = await people(third);
    expect(erased.status).toBe(410);
    expect(await erased.json()).toMatchObject({ reason: "erasure" });
    expect(await (await people()).json()).toMatchObject([{ id: "ann" }, { id: "cy" }]);
    expect((await people(999)).status).toBe(404);
  });
});
