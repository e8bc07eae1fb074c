import { mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { filesOf, Lake, liveResources, vacuum, verify } from "#lake";
import { generatePopulation } from "#synthetic";
import { cli, startCli } from "../support/cli.js";
import type { RecordedRequest } from "../support/fhir-server/index.js";
import { FhirServerProcess } from "../support/fhir-server-process.js";
import { seeded } from "../support/random.js";

const TYPES = ["Condition", "Encounter", "Observation", "Patient"];
const SEED = Number(process.env["FHIR_LAKE_KILL_SEED"] ?? 20261121);
/** The long run is 200 and every labelled point. */
const KILLS = Number(process.env["FHIR_LAKE_SOURCE_KILLS"] ?? 20);
const POINTS = Number(process.env["FHIR_LAKE_SOURCE_POINTS"] ?? 4);

let server: FhirServerProcess;
let scratch: string;
beforeAll(async () => {
  scratch = mkdtempSync(path.join(tmpdir(), "fhir-lake-source-kill-"));
  const population = path.join(scratch, "population");
  await generatePopulation({ patients: 8, seed: 3, outDir: population });
  const files = TYPES.map((type) => path.join(population, `${type}.ndjson`));
  server = await FhirServerProcess.start([
    ...files,
    "--rows-per-file",
    "60",
    "--retry-after",
    "0",
    "--no-gzip",
  ]);
}, 120_000);
afterAll(() => server.stop());

/** A configuration for a lake of its own; answers the arguments of a run. */
function arrange(name: string): { readonly location: string; readonly run: readonly string[] } {
  const config = path.join(scratch, `${name}.json`);
  const main = { url: server.url, kind: "bulk", types: TYPES, concurrency: 2, completeness: { sample: 2 } };
  const location = path.join(scratch, name);
  writeFileSync(config, JSON.stringify({ lake: location, sources: { main } }));
  return { location, run: ["ingest", "fhir", "main", "--config", config, "--json"] };
}

async function lakeRows(location: string): Promise<string[]> {
  const lake = await Lake.open({ location });
  const rows: string[] = [];
  for (const [type, table] of Object.entries((await lake.head()).tables)) {
    const { relation } = await liveResources(lake, type, table);
    const found = await lake.database.with((connection) =>
      connection.rows<{ id: string; version: string }>(
        `SELECT _lake_id AS id, _lake_version AS version FROM ${relation}`,
      ),
    );
    for (const { id, version } of found) rows.push(`${type}/${id} ${version}`);
  }
  await lake.close();
  return rows.sort();
}

let night = 0;
/** Changes, creates and deletes something. */
async function change(): Promise<void> {
  night++;
  const [first] = (await server.live(["Observation"])).slice(night % 7);
  await server.put("Patient", `night-${night}`, { name: [{ family: `Night ${night}` }] });
  await server.put("Patient", "often", { name: [{ family: `Often ${night}` }] });
  await server.delete("Observation", first!.split(" ")[0]!.split("/")[1]!);
}

const DEBUG = { env: { FHIR_LAKE_DEBUG: "1" } };
const FILE = /\/_files\/([^/]+\/[^/]+)$/;

/** Files that the server sent again although no kill stands between that could have lost them. */
function fetchedAgain(requests: readonly RecordedRequest[], kills: readonly number[]): string[] {
  const sent = new Map<string, RecordedRequest[]>();
  for (const request of requests) {
    const file = FILE.exec(request.path)?.[1];
    if (file === undefined || request.status !== 200 || request.completed !== true) continue;
    sent.set(file, [...(sent.get(file) ?? []), request]);
  }
  const again: string[] = [];
  for (const [file, times] of sent) {
    for (const [i, earlier] of times.slice(0, -1).entries()) {
      // The server had sent it, but the client was killed before it stood under its name.
      const lost = kills.some((at) => at >= earlier.endedAt! - 50 && at - earlier.endedAt! < 1500);
      if (!lost || times[i + 1]!.startedAt < earlier.endedAt!) again.push(file);
    }
  }
  return again;
}

async function labelsOf(run: readonly string[]): Promise<string[]> {
  const { stderr, code } = await cli(run, { env: { FHIR_LAKE_CRASH_AT: "trace" } });
  expect(code).toBe(0);
  return [...stderr.matchAll(/^crash-point (.+)$/gm)].map((match) => match[1]!);
}

/** One crash per distinct point: the first and the last time it is passed. */
function pointsOf(labels: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts].flatMap(([label, count]) =>
    count === 1 ? [`${label}#1`] : [`${label}#1`, `${label}#${count}`],
  );
}

it(
  "a source's run killed at labelled points and at any moment ends, when run again, with the server's rows",
  async () => {
    const random = seeded(SEED);
    const calm = arrange("calm");
    const full = pointsOf(await labelsOf(calm.run));
    await change();
    const begun = performance.now();
    const increment = pointsOf(await labelsOf(calm.run));
    // Kills are spread over as long as a run takes here and now.
    const runMs = performance.now() - begun;
    const chosen = [
      ...full.map((point) => ({ point, fresh: true })),
      ...increment.map((point) => ({ point, fresh: false })),
    ]
      .map((each) => ({ ...each, rank: random() }))
      .sort((a, b) => a.rank - b.rank)
      .slice(0, POINTS);

    const kills: number[] = [];
    const stormy = arrange("stormy");
    expect((await cli(stormy.run)).code).toBe(0);
    for (const [i, { point, fresh }] of chosen.entries()) {
      await change();
      const { location, run } = fresh ? arrange(`fresh-${i}`) : stormy;
      const crashed = await cli(run, { env: { FHIR_LAKE_CRASH_AT: point } });
      expect([null, 0], `${point}: ${crashed.stderr}`).toContain(crashed.code);
      if (crashed.code === null) kills.push(Date.now());
      const again = await cli(run, DEBUG);
      expect(again.code, `after ${point}: ${again.stderr}`).toBe(0);
      // A run that was resumed holds what the interrupted one had asked for.
      if ((JSON.parse(again.stdout) as { resumes: string | null }).resumes !== null) {
        const more = await cli(run, DEBUG);
        expect(more.code, `after ${point}: ${more.stderr}`).toBe(0);
      }
      expect(await lakeRows(location), point).toEqual(await server.live(TYPES));
    }

    for (let killed = 0; killed < KILLS; killed++) {
      if (killed % 3 === 0) await change();
      const { child, finished } = startCli(stormy.run, DEBUG);
      const timer = setTimeout(() => child.kill("SIGKILL"), 50 + random() * runMs);
      const { code, stderr } = await finished;
      clearTimeout(timer);
      if (code === null) kills.push(Date.now());
      else expect(code, stderr).toBe(0);
    }
    for (let i = 0; i < 2; i++) {
      const calmed = await cli(stormy.run, DEBUG);
      expect(calmed.code, calmed.stderr).toBe(0);
    }
    expect(await lakeRows(stormy.location)).toEqual(await server.live(TYPES));
    expect(fetchedAgain(await server.requests(), kills)).toEqual([]);

    const lake = await Lake.open({ location: stormy.location });
    await vacuum(lake, { keepSnapshots: 1, graceMs: 0 });
    expect((await verify(lake)).damaged).toEqual([]);
    const needed = new Set(filesOf(await lake.head()).map((file) => file.key));
    for (const folder of ["resources/", "views/"]) {
      for await (const entry of lake.store.list(folder)) expect(needed).toContain(entry.key);
    }
    await lake.close();
    const work = readdirSync(path.join(stormy.location, "work", "source-main"), { recursive: true });
    expect(work.filter((name) => String(name).endsWith(".ndjson"))).toEqual([]);
  },
  Math.max(3_600_000, (KILLS + POINTS) * 120_000),
);
