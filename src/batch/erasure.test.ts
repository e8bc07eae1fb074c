import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadDefinitions } from "#fhir";
import {
  allowReturn,
  compact,
  type ErasureReport,
  type ErasureWish,
  erase,
  Lake,
  liveResources,
  parseResourceName,
  pin,
  prepareErasure,
  recordedErasures,
  resumeErasures,
  verify,
  viewRows,
} from "#lake";
import { canariesIn } from "../../test/support/canary-scan.js";
import { land, type Version } from "../../test/support/landing.js";
import { buildViews } from "./build-views.js";
import { commitLanding, type LandingOutcome } from "./commit-landing.js";
import { registerView } from "./view-registry.js";

const definitions = loadDefinitions("4.0.1");
const NAME_CANARY = "ZQX-CANARY-NAME";
const NOTE_CANARY = "ZQX-CANARY-NOTE";
const ID_CANARY = "zqx-canary-id";
const UUID = "00000000-0000-0000-0000-000000000000";
const CANARIES = [NAME_CANARY, NOTE_CANARY, ID_CANARY];

const views = new Map(
  [
    {
      resourceType: "ViewDefinition",
      name: "people",
      resource: "Patient",
      status: "active",
      select: [
        {
          column: [
            { name: "key", path: "getResourceKey()", type: "string" },
            { name: "family", path: "name.family.first()", type: "string" },
          ],
        },
      ],
    },
    {
      resourceType: "ViewDefinition",
      name: "notes",
      resource: "Observation",
      status: "active",
      select: [
        {
          column: [
            { name: "patient", path: "subject.getReferenceKey(Patient)", type: "string" },
            { name: "note", path: "note.text.first()", type: "string" },
          ],
        },
      ],
    },
  ].map((definition) => {
    const view = registerView(JSON.stringify(definition), "test.json", definitions, true);
    return [view.name, view] as const;
  }),
);

let minute = 0;
const meta = (): { lastUpdated: string } => ({
  lastUpdated: new Date(Date.UTC(2026, 0, 1, 0, minute++)).toISOString(),
});
const patient = (id: string, family: string): Version => ({
  resource: { resourceType: "Patient", id, meta: meta(), name: [{ family }] },
});
const observation = (id: string, subject: string, text: string): Version => ({
  resource: {
    resourceType: "Observation",
    id,
    meta: meta(),
    status: "final",
    code: { text: "note" },
    subject: { reference: subject },
    note: [{ text }],
  },
});
const group = (id: string, members: readonly string[], name = "cohort"): Version => ({
  resource: {
    resourceType: "Group",
    id,
    meta: meta(),
    type: "person",
    actual: true,
    name,
    member: members.map((reference) => ({ entity: { reference } })),
  },
});

let location: string;
let lake: Lake;

async function ingest(versions: readonly Version[]): Promise<LandingOutcome> {
  const landing = await land(versions);
  const outcome = await commitLanding(lake, { ...landing, views });
  await rm(landing.landingDir, { recursive: true });
  await buildViews(lake, { views });
  return outcome;
}

async function rows(view: string): Promise<string[]> {
  const state = (await lake.head()).views[view]!;
  expect(state.state).toBe("ready");
  const found = await lake.database.with((c) =>
    viewRows(lake, state).then((r) =>
      c.rows<{ row: string }>(`SELECT to_json(t)::VARCHAR AS row FROM ${r} t`),
    ),
  );
  expect(state.rowCount).toBe(found.length);
  return found
    .map(({ row }) =>
      Object.values(JSON.parse(row) as Record<string, string>)
        .slice(1)
        .join("|"),
    )
    .sort();
}

async function ids(type: string): Promise<string[]> {
  const table = (await lake.head()).tables[type];
  if (table === undefined) return [];
  const { relation } = await liveResources(lake, type, table);
  const found = await lake.database.with((c) =>
    c.rows<{ id: string }>(`SELECT id FROM ${relation} ORDER BY id`),
  );
  expect(table.resourceCount).toBe(found.length);
  return found.map((row) => row.id);
}

async function eraseCanary(wish: Partial<ErasureWish> = {}): Promise<ErasureReport> {
  const request = await prepareErasure(lake, {
    patients: [parseResourceName(`test/Patient/${ID_CANARY}`)],
    resources: [],
    mentions: "keep",
    allowReturn: false,
    ...wish,
  });
  return erase(lake, request);
}

beforeEach(async () => {
  location = await mkdtemp(path.join(tmpdir(), "fhir-lake-erase-"));
  lake = await Lake.open({ location });
  await ingest([patient("ann", "Able"), observation("o1", "Patient/ann", "fine")]);
  await ingest([
    patient(ID_CANARY, NAME_CANARY),
    observation("o2", `Patient/${ID_CANARY}`, NOTE_CANARY),
    observation("o3", `https://ehr.example.org/fhir/Patient/${ID_CANARY}/_history/2`, NOTE_CANARY),
  ]);
});
afterEach(async () => {
  await lake.close();
  await rm(location, { recursive: true, force: true });
});

describe("erasing a patient", () => {
  it("leaves no byte of the person in any file, and everybody else exactly as before", async () => {
    await ingest([patient("bob", "Baker"), observation("o4", "Patient/bob", "well")]);
    await ingest([
      patient(ID_CANARY, `${NAME_CANARY} 2`),
      { deleted: "Observation/o3", at: "2026-02-01T00:00:00Z" },
    ]);
    await compact(lake);
    expect((await canariesIn(lake, location, CANARIES)).length).toBeGreaterThan(3);
    const report = await eraseCanary();
    expect(await canariesIn(lake, location, CANARIES)).toEqual([]);
    expect(report).toMatchObject({ mentions: {}, dryRun: false });
    expect(Object.keys(report.resources).sort()).toEqual(["Observation", "Patient"]);
    expect(await ids("Patient")).toEqual(["ann", "bob"]);
    expect(await ids("Observation")).toEqual(["o1", "o4"]);
    expect(await rows("people")).toEqual(["test/Patient/ann|Able", "test/Patient/bob|Baker"]);
    expect(await rows("notes")).toEqual(["test/Patient/ann|fine", "test/Patient/bob|well"]);
    expect((await verify(lake)).damaged).toEqual([]);
    await ingest([patient("bob", "Brown")]);
    expect(await rows("people")).toEqual(["test/Patient/ann|Able", "test/Patient/bob|Brown"]);
  });

  it("keeps snapshots that never held the person and makes the others, pinned or not, gone", async () => {
    await pin(lake, { name: "early", snapshot: 1 });
    await pin(lake, { name: "paper" });
    const before = (await lake.head()).id;
    const report = await eraseCanary();
    expect(report.pinsGone).toEqual(["paper"]);
    expect(report.snapshotsGone).toContain(before);
    expect((await lake.history.at(1)).id).toBe(1);
    await expect(lake.history.at(before)).rejects.toMatchObject({
      code: "lake/snapshot-gone",
      details: { reason: "erasure", oldest: 1 },
    });
  });

  it("changes nothing on a dry run but shows the same set", async () => {
    const request = await prepareErasure(lake, {
      patients: [parseResourceName(`test/Patient/${ID_CANARY}`)],
      resources: [],
      mentions: "keep",
      allowReturn: false,
    });
    const before = await lake.head();
    const preview = await erase(lake, request, { dryRun: true });
    expect(preview.resources).toEqual({ Patient: 1, Observation: 2 });
    expect((await lake.head()).id).toBe(before.id);
    expect(await recordedErasures(lake)).toEqual([]);
    expect((await erase(lake, request)).resources).toEqual(preview.resources);
  });

  it("refuses the person and everything about the person when the source sends them again, until the return is allowed", async () => {
    const { erasure } = await eraseCanary();
    const again = await ingest([
      patient(ID_CANARY, NAME_CANARY),
      observation("o2", `Patient/${ID_CANARY}`, NOTE_CANARY),
      observation("new", `Patient/${ID_CANARY}`, NOTE_CANARY),
      { deleted: `Patient/${ID_CANARY}`, at: "2026-03-01T00:00:00Z" },
      patient("cy", "Cole"),
    ]);
    expect(again.counts).toMatchObject({ stored: 1, refused: 4, superseded: 0, unchanged: 0 });
    expect(await ids("Patient")).toEqual(["ann", "cy"]);
    expect(await canariesIn(lake, location, CANARIES)).toEqual([]);
    await allowReturn(lake, erasure);
    await ingest([patient(ID_CANARY, "returned")]);
    expect(await ids("Patient")).toEqual(["ann", "cy", ID_CANARY]);
  });

  it("does not touch a person of the same id in another source", async () => {
    const landing = await land([patient(ID_CANARY, "Other")], { source: "elsewhere" });
    await commitLanding(lake, { ...landing, views });
    await eraseCanary();
    expect(await ids("Patient")).toEqual(["ann", ID_CANARY]);
  });

  it("removes earlier versions of a resource that was moved to somebody else, and keeps the current one", async () => {
    await ingest([observation("o2", "Patient/ann", "hers after all")]);
    await eraseCanary();
    expect(await canariesIn(lake, location, CANARIES)).toEqual([]);
    expect(await ids("Observation")).toEqual(["o1", "o2"]);
    expect(await rows("notes")).toEqual(["test/Patient/ann|fine", "test/Patient/ann|hers after all"]);
    const later = await ingest([observation("o2", "Patient/ann", "once more")]);
    expect(later.counts.stored).toBe(1);
  });

  it("reports what only names the person, and takes it along when asked to", async () => {
    await ingest([group("g", [`Patient/${ID_CANARY}`, "Patient/ann"])]);
    const kept = await eraseCanary();
    expect(kept.mentions).toEqual({ Group: 1 });
    expect(await ids("Group")).toEqual(["g"]);
    await eraseCanary({ mentions: "erase" });
    expect(await ids("Group")).toEqual([]);
    expect(await canariesIn(lake, location, CANARIES)).toEqual([]);
  });

  it("cleans quarantine, downloads, landings and run records that name the person", async () => {
    // No process has that number; names tell who made a folder.
    const left = `staging/landing-5-p4194304.${hostname().replace(/[^A-Za-z0-9-]/g, "-")}-${UUID}`;
    const quarantine = (text: string): string => JSON.stringify({ file: "x", reason: "bad-json", text });
    const put = async (key: string, content: string | Buffer): Promise<void> => {
      await mkdir(path.dirname(path.join(location, key)), { recursive: true });
      await writeFile(path.join(location, key), content);
    };
    const about = `{"resourceType":"Observation","id":"q","subject":{"reference":"Patient/${ID_CANARY}"},`;
    await put(
      "quarantine/000000000001.ndjson",
      `${quarantine(about)}\n${quarantine('{"resourceType":"Patient","id":"ann",')}\n`,
    );
    await put("work/source-a/Observation.ndjson.gz", gzipSync(`{}\n${about}}\n`));
    await put("work/source-b/Patient.ndjson", '{"resourceType":"Patient","id":"ann"}\n');
    await put("runs/r1/0001.json", JSON.stringify({ error: `Patient/${ID_CANARY} was strange` }));
    await put(`${left}/Patient.0001.landing`, `x ${NAME_CANARY}\n`);
    const away = `staging/landing-6-p1.another-host-${UUID}`;
    await put(`${away}/Patient.0001.landing`, "of a process elsewhere\n");
    const { elsewhere } = await eraseCanary();
    expect(elsewhere.inUse).toEqual([away]);
    expect(elsewhere.rewritten).toEqual(["quarantine/000000000001.ndjson"]);
    expect([...elsewhere.removed].sort()).toEqual(["runs/r1/0001.json", left, "work/source-a"]);
    expect(await canariesIn(lake, location, CANARIES)).toEqual([]);
    expect(await canariesIn(lake, path.join(location, "quarantine"), ["ann"])).toEqual([
      "000000000001.1.ndjson",
    ]);
  });

  it("is completed by a later run when it ended right after it was recorded, from hashes alone", async () => {
    const request = await prepareErasure(lake, {
      patients: [parseResourceName(`test/Patient/${ID_CANARY}`)],
      resources: [],
      mentions: "keep",
      allowReturn: false,
    });
    expect(JSON.stringify(request)).not.toContain(ID_CANARY);
    const failing = { name: "journal", erase: () => Promise.reject(new Error("no journal")) };
    await expect(erase(lake, request, { hooks: [failing] })).rejects.toThrow("no journal");
    expect((await recordedErasures(lake))[0]?.outcome).toBeUndefined();
    let asked: ReadonlySet<string> = new Set();
    const hook = {
      name: "journal",
      erase: async (_: unknown, keys: ReadonlySet<string>) => {
        asked = keys;
        return 1;
      },
    };
    const [report] = await resumeErasures(lake, { hooks: [hook] });
    expect(report?.hooks).toEqual({ journal: 1 });
    expect(asked.size).toBe(3);
    expect(await canariesIn(lake, location, CANARIES)).toEqual([]);
    expect(await resumeErasures(lake)).toEqual([]);
  });

  it("empties a table that held nobody else", async () => {
    const lonely: Version = {
      resource: {
        resourceType: "Condition",
        id: "c",
        meta: meta(),
        subject: { reference: `Patient/${ID_CANARY}` },
      },
    };
    await ingest([lonely]);
    await eraseCanary();
    expect((await lake.head()).tables["Condition"]).toBeUndefined();
    const other = {
      ...lonely,
      resource: { ...lonely.resource, id: "d", subject: { reference: "Patient/ann" } },
    };
    await ingest([other]);
    expect(await ids("Condition")).toEqual(["d"]);
  });

  it("leaves nothing of the person when others commit versions of them at the same time", async () => {
    const other = await Lake.open({ location });
    const commits = async (): Promise<void> => {
      for (let i = 0; i < 8; i++) {
        const landing = await land([
          patient(ID_CANARY, `${NAME_CANARY} ${i}`),
          observation(`race${i}`, `Patient/${ID_CANARY}`, NOTE_CANARY),
          patient(`calm${i}`, "Calm"),
        ]);
        await commitLanding(other, { ...landing, views });
        await rm(landing.landingDir, { recursive: true });
      }
    };
    const work = commits();
    await eraseCanary().catch(() => undefined);
    await work;
    await other.close();
    // Whoever was overtaken completes it.
    await resumeErasures(lake);
    expect(await canariesIn(lake, location, CANARIES)).toEqual([]);
    expect(await ids("Patient")).toEqual(["ann", ...Array.from({ length: 8 }, (_, i) => `calm${i}`)]);
    expect((await verify(lake)).damaged).toEqual([]);
  });

  it("erases single resources by their keys", async () => {
    await eraseCanary({ patients: [], resources: [parseResourceName("test/Observation/o2")] });
    expect(await ids("Observation")).toEqual(["o1", "o3"]);
    expect(await ids("Patient")).toEqual(["ann", ID_CANARY]);
  });
});
