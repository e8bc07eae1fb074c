import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { buildViews, commitLanding, loadViews, shippedViewsDirectory } from "#batch";
import { compact, Lake, liveResources, migrate, type Snapshot, verify, viewRows } from "#lake";
import { filesBelow } from "../support/canary-scan.js";
import { land } from "../support/landing.js";

interface Expected {
  readonly head: {
    readonly id: number;
    readonly tables: Record<string, string[]>;
    readonly views: Record<string, string[]>;
  };
  readonly early: { readonly id: number; readonly views: Record<string, string[]> };
}

const fixtures = path.resolve("test/fixtures/lakes");
const open: Lake[] = [];
afterEach(async () => {
  for (const lake of open.splice(0)) await lake.close();
});

/** A copy, because a released lake must stay what its release wrote. */
function copyOf(release: string): string {
  const location = path.join(mkdtempSync(path.join(tmpdir(), "fhir-lake-upgrade-")), "lake");
  cpSync(path.join(fixtures, release), location, { recursive: true });
  return location;
}

async function openLake(location: string): Promise<Lake> {
  const lake = await Lake.open({ location });
  open.push(lake);
  return lake;
}

async function tableTexts(lake: Lake, snapshot: Snapshot): Promise<Record<string, string[]>> {
  const texts: Record<string, string[]> = {};
  for (const [type, table] of Object.entries(snapshot.tables)) {
    const { relation } = await liveResources(lake, type, table);
    const rows = await lake.database.with((c) =>
      c.rows<{ raw: string }>(`SELECT raw FROM ${relation} ORDER BY id`),
    );
    texts[type] = rows.map((row) => row.raw);
  }
  return texts;
}

async function viewTexts(lake: Lake, snapshot: Snapshot): Promise<Record<string, string[]>> {
  const texts: Record<string, string[]> = {};
  for (const [name, view] of Object.entries(snapshot.views)) {
    const fields = view.columns.map((c) => `"${c.name}": "${c.name}"`).join(", ");
    const select = `SELECT to_json({${fields}})::VARCHAR AS row FROM ${await viewRows(lake, view)} ORDER BY 1`;
    texts[name] = (await lake.database.with((c) => c.rows<{ row: string }>(select))).map(({ row }) => row);
  }
  return texts;
}

describe.each(readdirSync(fixtures))("the lake of release %s", (release) => {
  const expected = JSON.parse(
    readFileSync(path.join(fixtures, release, "expected.json"), "utf8"),
  ) as Expected;

  it("is read exactly, the newest snapshot and an old one, and every byte of it is whole", async () => {
    const lake = await openLake(copyOf(release));
    const head = await lake.head();
    expect(head.id).toBe(expected.head.id);
    expect(await tableTexts(lake, head)).toEqual(expected.head.tables);
    expect(await viewTexts(lake, head)).toEqual(expected.head.views);
    expect(await viewTexts(lake, await lake.history.at(expected.early.id))).toEqual(expected.early.views);
    expect((await verify(lake)).damaged).toEqual([]);
  });

  it("takes new versions, view builds, compactions and a migration, and says the same afterwards", async () => {
    const lake = await openLake(copyOf(release));
    await migrate(lake);
    const shipped = await loadViews([shippedViewsDirectory()], lake.definitions);
    const views = new Map([...shipped].filter(([name]) => expected.head.views[name] !== undefined));
    const text = {
      resourceType: "Patient",
      id: "new",
      meta: { lastUpdated: "2027-01-01T00:00:00Z" },
      gender: "other",
    };
    const landing = await land([{ resource: text }], {
      source: "fixture",
      acceptedAt: "2027-01-01T00:00:00.000Z",
    });
    await commitLanding(lake, { ...landing, manifest: { ...landing.manifest, sequence: 1000 }, views });
    await buildViews(lake, { views });
    await compact(lake, { full: true });
    const tables = await tableTexts(lake, await lake.head());
    const patients = [...expected.head.tables["Patient"]!, JSON.stringify(text)];
    expect([...tables["Patient"]!].sort()).toEqual(patients.sort());
    expect({ ...tables, Patient: [] }).toEqual({ ...expected.head.tables, Patient: [] });
    const people = (await viewTexts(lake, await lake.head()))["patient_demographics"]!;
    expect(people).toHaveLength(expected.head.views["patient_demographics"]!.length + 1);
    expect(await viewTexts(lake, await lake.history.at(expected.early.id))).toEqual(expected.early.views);
  });

  it("is refused, not damaged, once a later release has committed to it", async () => {
    const location = copyOf(release);
    const newest = path.join(location, "snapshots", `${String(expected.head.id).padStart(12, "0")}.json`);
    const text = readFileSync(newest, "utf8");
    const body = text
      .slice(text.indexOf('"snapshot":') + 11, -1)
      .replace(/"formatVersion":\d+/, '"formatVersion":999');
    const sha256 = createHash("sha256").update(body).digest("hex");
    writeFileSync(newest, `{"sha256":"${sha256}","snapshot":${body}}`);
    const before = (await filesBelow(location)).sort();
    await expect(Lake.open({ location })).rejects.toMatchObject({ code: "lake/newer-format" });
    expect((await filesBelow(location)).sort()).toEqual(before);
  });
});
