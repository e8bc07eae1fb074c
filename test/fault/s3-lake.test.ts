import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { filesOf, Lake, type Snapshot, vacuum, verify } from "#lake";
import { generatePopulation } from "#synthetic";
import { cli, startCli } from "../support/cli.js";
import { lakeRows } from "../support/lake-rows.js";
import { seeded } from "../support/random.js";
import { type FaultyS3, startFaultyS3 } from "../support/s3-faults.js";
import { motoPython, type S3Server, s3Environment, startS3Server } from "../support/s3-server.js";
import { sharedFolder } from "../support/shared.js";

const WORKER = path.resolve("test/support/commit-worker.mjs");
const scratch = mkdtempSync(path.join(tmpdir(), "fhir-lake-s3-"));

function inputs(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /^([A-Z].*|deleted)\.ndjson$/.test(name))
    .map((name) => path.join(folder, name));
}

/** Everything in the lake's data folders, against what its snapshots need. */
async function expectNoOrphans(lake: Lake): Promise<void> {
  const ids = await lake.history.ids();
  const kept: Snapshot[] = await Promise.all(ids.map((id) => lake.history.at(id)));
  const needed = new Set(kept.flatMap((snapshot) => filesOf(snapshot).map((file) => file.key)));
  for (const folder of ["resources/", "views/", "landing/", "staging/"]) {
    for await (const { key } of lake.store.list(folder)) expect(needed).toContain(key);
  }
}

describe.skipIf(motoPython() === undefined)("a lake on S3", () => {
  let server: S3Server;
  let proxy: FaultyS3;
  let population: string;
  /** The same nights in a local folder: what the answers must be. */
  let local: string;

  beforeAll(async () => {
    server = await startS3Server();
    proxy = await startFaultyS3(server.endpoint);
    Object.assign(process.env, s3Environment(server.endpoint));
    population = path.join(scratch, "population");
    await generatePopulation({ patients: 6, seed: 5, outDir: population, updatesBatches: 1 });
    local = path.join(scratch, "local");
    for (const night of nights()) {
      expect((await cli(["ingest", "ndjson", ...night, "--lake", local])).code).toBe(0);
    }
  }, 120_000);
  afterEach(() => {
    proxy.script = () => undefined;
  });
  afterAll(async () => {
    await proxy.stop();
    server.stop();
  });

  const nights = (): string[][] => [inputs(population), inputs(path.join(population, "batch-001"))];
  const emptyCache = (): Record<string, string> => s3Environment(server.endpoint);

  it("takes a full load, answers as a local lake does from an empty cache, and is operated like one", async () => {
    const shared = sharedFolder();
    const data = shared === undefined ? [inputs(population)] : [[path.join(shared, "data/synthea-small")]];
    const location = `s3://${server.bucket}/full`;
    const beside = path.join(scratch, "full");
    for (const lake of [location, beside]) {
      const loaded = await cli(["ingest", "ndjson", ...data[0]!, "--lake", lake, "--source", "a"]);
      expect(loaded.stderr).not.toContain("warning");
      expect(loaded.code).toBe(0);
    }
    Object.assign(process.env, emptyCache());
    expect(await lakeRows(location)).toEqual(await lakeRows(beside));

    const sql = "SELECT gender, count(*) AS n FROM patient_demographics GROUP BY gender ORDER BY gender";
    const cache = emptyCache();
    const [remote, near] = await Promise.all([
      cli(["query", sql, "--json", "--lake", location], { env: cache }),
      cli(["query", sql, "--json", "--lake", beside]),
    ]);
    expect(remote.code).toBe(0);
    expect(JSON.parse(remote.stdout)).toEqual(JSON.parse(near.stdout));
    // Only the view that was asked for was fetched.
    const [folder] = readdirSync(cache["FHIR_LAKE_CACHE"]!);
    const copies = readdirSync(path.join(cache["FHIR_LAKE_CACHE"]!, folder!, "files"));
    expect(copies.every((name) => name.startsWith("views~patient_demographics~"))).toBe(true);

    for (const command of [
      ["views", "list"],
      ["snapshots"],
      ["compact", "--full"],
      ["verify"],
      ["vacuum", "--keep", "1", "--grace", "0s"],
      ["verify"],
      ["doctor"],
    ]) {
      const { code, stderr } = await cli([...command, "--lake", location]);
      expect([command.join(" "), code, stderr]).toEqual([command.join(" "), 0, expect.any(String)]);
    }
    expect(await lakeRows(location)).toEqual(await lakeRows(beside));
    const again = await cli(["ingest", "ndjson", ...data[0]!, "--lake", location, "--source", "a"]);
    expect(again.stdout).toContain("Nothing new");
  }, 240_000);

  it("serves over HTTP what it holds", async () => {
    const location = `s3://${server.bucket}/full`;
    const { child, finished } = startCli(["serve", "--port", "0", "--lake", location], { env: emptyCache() });
    const url = await new Promise<string>((resolve, reject) => {
      child.stdout!.on("data", (chunk) => {
        const match = / on (http:\S+)/.exec(String(chunk));
        if (match !== null) resolve(match[1]!);
      });
      void finished.then(({ stderr }) => reject(new Error(stderr)));
    });
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    const rows = (await (await fetch(`${url}/views/patient_demographics.json`)).json()) as unknown[];
    expect(rows.length).toBeGreaterThan(10);
    child.kill("SIGTERM");
    expect((await finished).code).toBe(0);
  }, 60_000);

  it("is whole after kill -9 just before and just after a commit, and complete after another run", async () => {
    const location = `s3://${server.bucket}/kill`;
    for (const [i, night] of nights().entries()) {
      const applied = i === 1;
      const env = s3Environment(proxy.endpoint);
      const { child, finished } = startCli(["ingest", "ndjson", ...night, "--lake", location], { env });
      proxy.script = ({ method, key }) => {
        if (method !== "PUT" || !key.includes("/snapshots/")) return undefined;
        setTimeout(() => child.kill("SIGKILL"), applied ? 150 : 0);
        return { kind: "silence", applied };
      };
      expect((await finished).signal).toBe("SIGKILL");
      proxy.script = () => undefined;
      const lake = await Lake.open({ location });
      expect((await lake.history.latest())?.operation.kind).toBe(applied ? "ingest" : undefined);
      expect((await verify(lake)).damaged).toEqual([]);
      await lake.close();
      expect(
        (await cli(["ingest", "ndjson", ...night, "--lake", location], { env: emptyCache() })).code,
      ).toBe(0);
    }
    Object.assign(process.env, emptyCache());
    expect(await lakeRows(location)).toEqual(await lakeRows(local));
    const lake = await Lake.open({ location });
    await vacuum(lake, { keepSnapshots: 1, graceMs: 0 });
    await expectNoOrphans(lake);
    expect((await verify(lake)).damaged).toEqual([]);
    await lake.close();
  }, 180_000);

  it("survives kill -9 at random moments", async () => {
    const location = `s3://${server.bucket}/storm`;
    const random = seeded(Number(process.env["FHIR_LAKE_KILL_SEED"] ?? 20261121));
    const kills = Number(process.env["FHIR_LAKE_S3_KILLS"] ?? 2);
    for (const night of nights()) {
      for (let i = 0; i < kills / 2; i++) {
        const { child, finished } = startCli(["ingest", "ndjson", ...night, "--lake", location], {
          env: emptyCache(),
        });
        const timer = setTimeout(() => child.kill("SIGKILL"), 500 + random() * 3000);
        await finished;
        clearTimeout(timer);
        const lake = await Lake.open({ location });
        expect((await verify(lake)).damaged).toEqual([]);
        await lake.close();
      }
      expect((await cli(["ingest", "ndjson", ...night, "--lake", location])).code).toBe(0);
    }
    expect(await lakeRows(location)).toEqual(await lakeRows(local));
    const lake = await Lake.open({ location });
    await vacuum(lake, { keepSnapshots: 1, graceMs: 0 });
    await expectNoOrphans(lake);
    await lake.close();
  }, 240_000);

  it("commits nothing twice and loses nothing when several processes commit through a failing server", async () => {
    const location = `s3://${server.bucket}/race`;
    const random = seeded(7);
    let commits = 0;
    proxy.script = ({ method, key }) => {
      if (method !== "PUT" || !/\/(snapshots|landing)\//.test(key)) return undefined;
      commits++;
      const dice = random();
      if (dice < 0.07) return { kind: "answer", status: 409, code: "ConditionalRequestConflict" };
      if (dice < 0.14) return { kind: "applied-then", status: 500 };
      if (dice < 0.21) return { kind: "reset", applied: true };
      if (dice < 0.28) return { kind: "answer", status: 503, code: "SlowDown" };
      if (dice < 0.35) return { kind: "late", afterMs: 60 };
      return undefined;
    };
    const dir = path.join(scratch, "race");
    mkdirSync(dir);
    const work = (name: number): Promise<number[]> =>
      new Promise((resolve, reject) => {
        const child = spawn(process.execPath, [WORKER, location, String(name), "3", "writer"], {
          env: { ...process.env, ...s3Environment(proxy.endpoint), WORK: dir, NODE_OPTIONS: "" },
          stdio: ["ignore", "pipe", "pipe"],
        });
        let out = "";
        let err = "";
        child.stdout.on("data", (chunk) => (out += String(chunk)));
        child.stderr.on("data", (chunk) => (err += String(chunk)));
        child.on("close", (code) => {
          if (code !== 0) reject(new Error(`writer ${name} ended with ${code}: ${err}`));
          const done = out.split("\n").filter(Boolean);
          resolve(done.flatMap((line) => (JSON.parse(line) as { snapshot: number | null }).snapshot ?? []));
        });
      });
    const acknowledged = (await Promise.all([0, 1, 2].map(work))).flat();
    expect(commits).toBeGreaterThan(10);
    const lake = await Lake.open({ location });
    const ids = await lake.history.ids();
    const snapshots = await Promise.all(ids.map((id) => lake.history.at(id)));
    expect(snapshots.map((snapshot) => snapshot.parent)).toEqual([null, ...ids.slice(0, -1)]);
    expect(new Set(snapshots.map((snapshot) => snapshot.commitId)).size).toBe(ids.length);
    const ingests = snapshots.filter(({ operation }) => operation.kind === "ingest").map(({ id }) => id);
    expect(acknowledged.sort((a, b) => a - b)).toEqual(ingests);
    expect((await verify(lake)).damaged).toEqual([]);
    await lake.close();
  }, 180_000);

  it("finds the newest snapshot although listings are outdated", async () => {
    const location = `s3://${server.bucket}/stale`;
    const env = s3Environment(server.endpoint);
    const listing = proxy.capture(({ query }) => (query.get("prefix") ?? "").endsWith("/snapshots/"));
    Object.assign(process.env, s3Environment(proxy.endpoint));
    const before = await Lake.open({ location });
    expect(await before.history.latest()).toBeUndefined();
    await before.close();
    const empty = listing();
    expect(empty).toBeDefined();
    expect((await cli(["ingest", "ndjson", ...nights()[0]!, "--lake", location], { env })).code).toBe(0);
    proxy.script = ({ query }) =>
      (query.get("prefix") ?? "").endsWith("/snapshots/") ? { kind: "body", body: empty! } : undefined;
    const stale = await Lake.open({ location });
    Object.assign(process.env, s3Environment(server.endpoint));
    const fresh = await Lake.open({ location });
    expect((await stale.head()).id).toBeGreaterThan(1);
    expect((await stale.head()).commitId).toBe((await fresh.head()).commitId);
    await stale.close();
    await fresh.close();
  }, 120_000);
});
