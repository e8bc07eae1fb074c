import { readdirSync } from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { buildViews, commitLanding, loadViews, type RegisteredView, shippedViewsDirectory } from "#batch";
import { Lake } from "#lake";
import { land } from "../../test/support/landing.js";
import { motoPython, type S3Server, startS3Server } from "../../test/support/s3-server.js";
import { lakeCatalog } from "./lake-catalog.js";

const NAMES = ["patient_demographics", "patient_addresses"];

describe.skipIf(motoPython() === undefined)("the catalog of a remote lake", () => {
  let server: S3Server;
  let lake: Lake;
  let cache: string;
  let views: Map<string, RegisteredView>;

  beforeAll(async () => {
    server = await startS3Server();
    const environment = server.environment();
    Object.assign(process.env, environment);
    cache = environment["FHIR_LAKE_CACHE"]!;
    lake = await Lake.open({ location: `s3://${server.bucket}/catalog` });
    const all = await loadViews([shippedViewsDirectory()], lake.definitions);
    views = new Map([...all].filter(([name]) => NAMES.includes(name)));
    await commit("p1");
  });
  afterEach(() => vi.useRealTimers());
  afterAll(async () => {
    await lake.close();
    server.stop();
  });

  async function commit(id: string): Promise<void> {
    const landing = await land([
      { resource: { resourceType: "Patient", id, gender: "male", address: [{ city: "X" }] } },
    ]);
    await commitLanding(lake, { ...landing, views });
    await buildViews(lake, { views });
  }

  /** Names of the views of which this process holds files. */
  function held(): string[] {
    const [folder] = readdirSync(cache);
    const [own] = readdirSync(path.join(cache, folder!, "processes"));
    const files = readdirSync(path.join(cache, folder!, "processes", own!, "held"));
    return [...new Set(files.map((file) => file.split("~")[1]!))].sort();
  }

  async function later(release: () => void): Promise<void> {
    vi.useFakeTimers();
    release();
    vi.advanceTimersByTime(31_000);
    vi.useRealTimers();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }

  it("fetches the files of the views that are asked for, and gives them back when nobody reads them any more", async () => {
    const catalog = lakeCatalog(lake);
    const [one, two] = [(await catalog.latest())!, (await catalog.latest())!];
    expect(held()).toEqual([]);
    const relation = await one.views.get("patient_demographics")!.relation();
    expect(held()).toEqual(["patient_demographics"]);
    expect(await two.views.get("patient_demographics")!.relation()).toBe(relation);
    await two.views.get("patient_demographics")!.relation();
    await two.views.get("patient_addresses")!.relation();
    expect(held()).toEqual(["patient_addresses", "patient_demographics"]);
    await later(() => two.release());
    expect(held()).toEqual(["patient_demographics"]);
    const rows = await lake.database.with((c) => c.rows<{ id: string }>(`SELECT id FROM ${relation}`));
    expect(rows).toEqual([{ id: "p1" }]);
    await later(() => {
      one.release();
      one.release();
    });
    expect(held()).toEqual([]);
    const again = (await catalog.latest())!;
    await again.views.get("patient_addresses")!.relation();
    expect(held()).toEqual(["patient_addresses"]);
    await later(() => again.release());
  });

  it("keeps the files of an old snapshot for a reader that still has it", async () => {
    const catalog = lakeCatalog(lake);
    const old = (await catalog.latest())!;
    const relation = await old.views.get("patient_demographics")!.relation();
    for (let i = 0; i < 9; i++) {
      await commit(`later-${i}`);
      (await catalog.latest())!.release();
    }
    const rows = await lake.database.with((c) => c.rows<{ id: string }>(`SELECT id FROM ${relation}`));
    expect(rows).toEqual([{ id: "p1" }]);
    old.release();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(held()).toEqual([]);
  });
});
