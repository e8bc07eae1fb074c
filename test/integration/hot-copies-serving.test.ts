import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { buildViews, commitLanding } from "#batch";
import { Lake } from "#lake";
import { stagingName } from "#storage";
import { type LakeServer, serveLake } from "../../src/app/serve.js";
import { canariesIn, filesBelow } from "../support/canary-scan.js";
import { cli } from "../support/cli.js";
import { land } from "../support/landing.js";
import { peopleView } from "../support/people-view.js";

const CANARY = "ZQX-CANARY-NAME";

describe("a server that copies what is read often", () => {
  let lake: Lake;
  let serving: LakeServer | undefined;

  beforeEach(async () => {
    lake = await Lake.open({ location: await mkdtemp(path.join(tmpdir(), "fhir-lake-hot-serving-")) });
    const views = peopleView(lake);
    const people = [...Array(40).keys()].map((i) => ({
      resource: {
        resourceType: "Patient",
        id: `p${i}`,
        meta: { lastUpdated: "2026-01-01T00:00:00Z" },
        name: [{ family: i === 7 ? CANARY : `Able ${i}` }],
      },
    }));
    await commitLanding(lake, { ...(await land(people)), views });
    await buildViews(lake, { views });
  });
  afterEach(async () => {
    await serving?.close();
    await lake.close();
    await rm(lake.store.location, { recursive: true, force: true });
  });

  const staging = (): string => path.join(lake.store.location, "staging");
  const serve = async (): Promise<LakeServer> => {
    const hotCopies = { times: 1, leastRows: 1 };
    serving = await serveLake(lake, { host: "127.0.0.1", port: 0, compaction: false, hotCopies });
    return serving;
  };
  const folders = async (): Promise<string[]> =>
    (await readdir(staging())).filter((name) => name.startsWith("copies-"));
  const families = async (url: string): Promise<string[]> => {
    const response = await fetch(`${url}/views/people.csv?select=family`);
    expect(response.status).toBe(200);
    return (await response.text()).trim().split(/\r?\n/).slice(1);
  };
  const copied = async (url: string): Promise<void> => {
    for (;;) {
      await families(url);
      if (/^fhir_lake_hot_copies 1$/m.test(await (await fetch(`${url}/metrics`)).text())) return;
      await sleep(20);
    }
  };

  it("answers SQL from files, and forgets the copies of erased persons within seconds, on the disk too", async () => {
    const { url } = await serve();
    await copied(url);
    const [folder] = await folders();
    expect((await stat(path.join(staging(), folder!))).mode & 0o777).toBe(0o700);
    expect(await canariesIn(lake, path.join(staging(), folder!), [CANARY])).not.toEqual([]);
    expect(await families(url)).toContain(CANARY);
    const sql = await fetch(`${url}/sql`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ sql: "SELECT count(*) AS n FROM people" }),
    });
    expect(await sql.json()).toEqual([{ n: 40 }]);

    const args = ["erase", "--lake", lake.store.location, "--patient", "test/Patient/p7"];
    const erased = await cli(args);
    expect(erased.stderr + erased.stdout).toContain("is complete");
    expect(erased.code).toBe(0);
    expect(await filesBelow(path.join(staging(), folder!))).toEqual([]);
    for (let i = 0; i < 60; i++) {
      if (/^fhir_lake_hot_copies 0$/m.test(await (await fetch(`${url}/metrics`)).text())) break;
      await sleep(100);
    }
    const now = await families(url);
    expect(now).toHaveLength(39);
    expect(now).not.toContain(CANARY);
    expect(await canariesIn(lake, lake.store.location, [CANARY])).toEqual([]);
    await serving!.close();
    serving = undefined;
    expect(await folders()).toEqual([]);
  }, 60_000);

  it("removes what a killed one has left, and never looks into it", async () => {
    const { pid } = spawnSync(process.execPath, ["-e", ""]);
    const left = path.join(staging(), stagingName("copies").replace(`-p${process.pid}.`, `-p${pid}.`));
    const other = path.join(
      staging(),
      stagingName("copies").replace(`-p${process.pid}.`, `-p${process.ppid}.`),
    );
    for (const folder of [left, other]) {
      await mkdir(folder, { recursive: true });
      await writeFile(path.join(folder, "_lake_hot_1.duckdb"), "what a killed process had written so far");
    }
    const { url } = await serve();
    expect(await folders()).not.toContain(path.basename(left));
    expect(await folders()).toContain(path.basename(other));
    await copied(url);
    expect(await families(url)).toHaveLength(40);
    await rm(other, { recursive: true });
  });
});
