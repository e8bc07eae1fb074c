import { cpSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { Lake, liveResources, verify, viewRows } from "#lake";
import { generatePopulation } from "#synthetic";
import { canariesIn } from "../support/canary-scan.js";
import { cli, startCli } from "../support/cli.js";
import { seeded } from "../support/random.js";

const scratch = mkdtempSync(path.join(tmpdir(), "fhir-lake-operations-"));
const original = path.join(scratch, "lake");
const random = seeded(Number(process.env["FHIR_LAKE_KILL_SEED"] ?? 20261122));
const KILLS = Number(process.env["FHIR_LAKE_OPERATION_KILLS"] ?? 2);
let copies = 0;

function inputs(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /^([A-Z].*|deleted)\.ndjson$/.test(name))
    .map((name) => path.join(folder, name));
}

function copyOfLake(): string {
  const location = path.join(scratch, `copy-${copies++}`);
  cpSync(original, location, { recursive: true });
  return location;
}

/** Everything a lake's newest snapshot says, and which snapshots there are. */
async function content(location: string): Promise<Record<string, unknown>> {
  const lake = await Lake.open({ location });
  try {
    const head = await lake.head();
    const hash = async (select: string): Promise<string> => {
      const [row] = await lake.database.with((c) =>
        c.rows<{ h: string }>(`SELECT count(*) || ' ' || coalesce(sum(hash(t)), 0) AS h FROM (${select}) t`),
      );
      return row!.h;
    };
    const tables: Record<string, string> = {};
    for (const [type, table] of Object.entries(head.tables)) {
      tables[type] = await hash(`SELECT id, raw FROM ${(await liveResources(lake, type, table)).relation}`);
    }
    const views: Record<string, string> = {};
    for (const [name, view] of Object.entries(head.views)) {
      const columns = view.columns.map((c) => `"${c.name}"`).join(", ");
      views[name] = await hash(`SELECT ${columns} FROM ${await viewRows(lake, view)}`);
    }
    return { tables, views };
  } finally {
    await lake.close();
  }
}

async function whole(location: string): Promise<void> {
  const lake = await Lake.open({ location });
  try {
    expect((await verify(lake)).damaged).toEqual([]);
  } finally {
    await lake.close();
  }
}

/** Runs a command once to its end, to learn how long it takes. */
async function timed(args: readonly string[]): Promise<number> {
  const began = Date.now();
  expect((await cli(args)).code).toBe(0);
  return Date.now() - began;
}

/** Starts a command and kills it somewhere in its life. */
async function killed(args: readonly string[], durationMs: number): Promise<void> {
  const { child, finished } = startCli(args);
  const timer = setTimeout(() => child.kill("SIGKILL"), durationMs * (0.3 + 0.7 * random()));
  await finished;
  clearTimeout(timer);
}

beforeAll(async () => {
  const population = path.join(scratch, "population");
  await generatePopulation({ patients: 8, seed: 11, outDir: population, updatesBatches: 2 });
  for (const night of [population, path.join(population, "batch-001"), path.join(population, "batch-002")]) {
    expect((await cli(["ingest", "ndjson", ...inputs(night), "--lake", original])).code).toBe(0);
  }
}, 120_000);

describe("kill -9 at any moment of", () => {
  it("a backup leaves the lake whole, and running it again completes it", async () => {
    const before = await content(original);
    const duration = await timed(["backup", path.join(scratch, "backup-calm"), "--lake", original]);
    const target = path.join(scratch, "backup");
    for (let i = 0; i < KILLS; i++) {
      await killed(["backup", target, "--lake", original], duration);
      await whole(original);
    }
    expect((await cli(["backup", target, "--lake", original])).code).toBe(0);
    const restored = path.join(scratch, "backup-restored");
    expect((await cli(["restore", "--from", target, "--lake", restored])).code).toBe(0);
    expect(await content(restored)).toEqual(before);
    await whole(restored);
  }, 240_000);

  it("a restore leaves a lake that does not open, and running it again completes it", async () => {
    const target = path.join(scratch, "backup-calm");
    const duration = await timed([
      "restore",
      "--from",
      target,
      "--lake",
      path.join(scratch, "restored-calm"),
    ]);
    const restored = path.join(scratch, "restored");
    for (let i = 0; i < KILLS; i++) {
      await killed(["restore", "--from", target, "--lake", restored], duration);
      const { code, stderr } = await cli(["snapshots", "--lake", restored]);
      // Killed before it began, half way, or after it had ended.
      if (code === 5) expect(stderr).toContain("has not ended");
      else if (code === 0) break;
      else expect(code).toBe(3);
    }
    const { code } = await cli(["restore", "--from", target, "--lake", restored]);
    expect([0, 4]).toContain(code);
    expect(await content(restored)).toEqual(await content(original));
    await whole(restored);
  }, 240_000);

  it("a vacuum leaves the newest snapshot whole, and running it again leaves no orphan", async () => {
    const args = ["vacuum", "--keep", "1", "--grace", "0s", "--lake"];
    const before = await content(original);
    const duration = await timed([...args, copyOfLake()]);
    const location = copyOfLake();
    for (let i = 0; i < KILLS; i++) {
      await killed([...args, location], duration);
      await whole(location);
      expect(await content(location)).toEqual(before);
    }
    expect((await cli([...args, location])).code).toBe(0);
    const { stdout } = await cli(["verify", "--lake", location, "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ snapshots: 1, damaged: [], orphans: { files: 0 } });
  }, 240_000);

  it("an erasure loses nobody else, and resuming it leaves no byte of the person", async () => {
    const [line] = readFileSync(path.join(scratch, "population", "Patient.ndjson"), "utf8").split("\n");
    const person = JSON.parse(line!) as { id: string; name: { family: string }[] };
    const args = ["erase", "--patient", `main/Patient/${person.id}`, "--mentions", "erase", "--lake"];
    const calm = copyOfLake();
    const duration = await timed([...args, calm]);
    const location = copyOfLake();
    for (let i = 0; i < KILLS; i++) {
      await killed([...args, location], duration);
      const head = await cli(["snapshots", "--lake", location]);
      expect(head.code).toBe(0);
      const { code } = await cli([
        "query",
        "SELECT count(*) AS n FROM patient_demographics",
        "--lake",
        location,
      ]);
      expect(code).toBe(0);
    }
    expect((await cli(["erase", "--resume", "--lake", location])).code).toBe(0);
    // Complete, or killed before it was recorded.
    expect([0, 3]).toContain((await cli([...args, location])).code);
    expect(await content(location)).toEqual(await content(calm));
    await whole(location);
    const lake = await Lake.open({ location });
    expect(await canariesIn(lake, location, [person.id])).toEqual([]);
    expect(await canariesIn(lake, original, [person.id])).not.toEqual([]);
    await lake.close();
  }, 300_000);
});
