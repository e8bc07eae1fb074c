import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { commitLanding } from "#batch";
import { Lake } from "#lake";
import type { OrderPolicy } from "#landing";
import type { LakeServer } from "../../src/app/serve.js";
import { land } from "../support/landing.js";
import { NOTIFY_SECRET, serveLive } from "../support/serve-live.js";

const OTHER = {
  code: "batch/order-policy",
  kind: "conflict",
  message: expect.stringContaining("'main'") as string,
};

describe("the order of a source's versions, where live changes are served", () => {
  let lake: Lake;
  beforeEach(async () => {
    lake = await Lake.open({ location: await mkdtemp(path.join(tmpdir(), "fhir-lake-orders-")) });
  });
  afterEach(() => lake.close());

  const serve = (policy: OrderPolicy): Promise<LakeServer> =>
    serveLive(lake, new Map(), {
      live: { senders: new Map([["main", { source: "main", policy, pathSecrets: [NOTIFY_SECRET] }]]) },
    });
  const ingest = async (source: string): Promise<void> => {
    const landing = await land([{ resource: { resourceType: "Patient", id: "p0" } }], { source });
    await commitLanding(lake, { ...landing, views: new Map() });
  };
  const notify = async (serving: LakeServer, version: string): Promise<number> => {
    const patient = { resourceType: "Patient", id: "p1", meta: { versionId: version } };
    const url = `${serving.url}/notify/main/${NOTIFY_SECRET}`;
    return (await fetch(url, { method: "POST", body: JSON.stringify(patient) })).status;
  };

  it("must be that of the lake, or serving does not start", async () => {
    const serving = await serve("time");
    expect(await notify(serving, "1")).toBe(204);
    await serving.live!.flush();
    await serving.close();
    await expect(serve("version")).rejects.toMatchObject(OTHER);
    await (await serve("time")).close();
  });

  it("must be that of the changes which wait in the journal, where the lake does not know the source", async () => {
    const serving = await serve("version");
    expect(await notify(serving, "1")).toBe(204);
    await serving.close();
    await expect(serve("time")).rejects.toMatchObject(OTHER);
    await (await serve("version")).close();
  });

  it("must be that of sources that send nothing, too", async () => {
    await ingest("lab");
    const orders = new Map([["lab", "version" as const]]);
    await expect(serveLive(lake, new Map(), { live: { orders } })).rejects.toMatchObject({
      code: "batch/order-policy",
      details: { source: "lab", known: "time", given: "version" },
    });
  });

  it("is fixed by a commit that comes while serving: the sender keeps what is ordered otherwise", async () => {
    const serving = await serve("version");
    await ingest("main");
    expect(await notify(serving, "1")).toBe(503);
    expect(await serving.live!.journal.head()).toBe(0);
    await serving.close();
  });
});
