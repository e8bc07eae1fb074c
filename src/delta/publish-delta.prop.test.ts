import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { buildViews, commitLanding, registerView } from "#batch";
import { quoteLiteral } from "#duckdb";
import { loadDefinitions } from "#fhir";
import { compact, Lake, liveResources, restoreSnapshot, viewRows } from "#lake";
import { land, type Version } from "../../test/support/landing.js";
import { cleanPublished } from "./clean.js";
import { DeltaLog } from "./delta-log.js";
import { defaultTarget, publishDelta } from "./publish-delta.js";
import { publishStatus } from "./status.js";

const definitions = loadDefinitions("4.0.1");
const VIEW = {
  resourceType: "ViewDefinition",
  name: "active_names",
  resource: "Patient",
  status: "active",
  where: [{ path: "active = true" }],
  select: [
    { column: [{ name: "key", path: "getResourceKey()", type: "string" }] },
    { forEachOrNull: "name.given", column: [{ name: "given", path: "$this", type: "string" }] },
  ],
};
const view = registerView(JSON.stringify(VIEW), "active_names.json", definitions, true);
const views = new Map([[view.name, view]]);

const change = fc.record({
  id: fc.integer({ min: 0, max: 7 }),
  at: fc.integer({ min: 0, max: 30 }),
  kind: fc.constantFrom("update", "update", "update", "delete"),
  active: fc.boolean(),
  given: fc.array(fc.constantFrom("Ana", "Bo", "Çelik"), { maxLength: 3 }),
  /** An element inside the list `name`, seldom there. */
  start: fc.constantFrom(undefined, undefined, undefined, "2020"),
});
type Change = typeof change extends fc.Arbitrary<infer C> ? C : never;

function version(c: Change): Version {
  const at = new Date(Date.UTC(2026, 0, 1, 0, c.at)).toISOString();
  if (c.kind === "delete") return { deleted: `Patient/p${c.id}`, at };
  const period = c.start === undefined ? {} : { period: { start: c.start } };
  return {
    resource: {
      resourceType: "Patient",
      id: `p${c.id}`,
      meta: { lastUpdated: at },
      active: c.active,
      ...(c.given.length === 0 ? {} : { name: [{ given: [...c.given], ...period }] }),
    },
  };
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("land" as const),
      changes: fc.array(change, { minLength: 1, maxLength: 6 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("compact" as const), full: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("rebuild" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restore" as const), back: fc.nat({ max: 3 }) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("publish" as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

async function perform(lake: Lake, one: Step): Promise<void> {
  if (one.do === "land") {
    const landing = await land(one.changes.map(version));
    await commitLanding(lake, { ...landing, views });
    await rm(landing.landingDir, { recursive: true });
    await buildViews(lake, { views });
  } else if (one.do === "compact") {
    await compact(lake, { full: one.full });
  } else if (one.do === "rebuild") {
    await buildViews(lake, { views, force: new Set(["active_names"]) });
  } else if (one.do === "restore") {
    const ids = await lake.history.ids();
    await restoreSnapshot(lake, ids[Math.max(0, ids.length - 1 - one.back)]!);
    await buildViews(lake, { views });
  } else await publishDelta(lake);
}

/** Rows of a SELECT as sorted JSON texts. */
async function bag(lake: Lake, select: string): Promise<string[]> {
  const rows = await lake.database.with((connection) =>
    connection.rows<{ row: string }>(`SELECT to_json(r)::VARCHAR AS row FROM (${select}) r`),
  );
  return rows.map((one) => one.row).sort();
}

/** The rows that a plain reader of the log would see, checked against each file's statistics. */
async function published(lake: Lake, table: string, columns: string): Promise<string[]> {
  const target = defaultTarget(lake.store);
  const state = await new DeltaLog(lake.database, target, table).read();
  expect(state.protocol).toEqual({ minReaderVersion: 1, minWriterVersion: 2 });
  const rows: string[] = [];
  for (const add of state.files.values()) {
    const file = await lake.store.localPath(`published/${table}/${add.path}`);
    const here = await bag(lake, `SELECT ${columns} FROM read_parquet(${quoteLiteral(file)})`);
    expect((JSON.parse(add.stats) as { numRecords: number }).numRecords).toBe(here.length);
    rows.push(...here);
  }
  return rows.sort();
}

async function checkPublished(lake: Lake): Promise<void> {
  const head = await lake.head();
  const resources = await liveResources(lake, "Patient", head.tables["Patient"]!);
  const ofPatient = "_lake_id, _lake_last_updated, active";
  expect(await published(lake, "resources/Patient", ofPatient)).toEqual(
    await bag(lake, `SELECT ${ofPatient} FROM ${resources.relation}`),
  );
  expect(await published(lake, "views/active_names", "key, given")).toEqual(
    await bag(lake, `SELECT key, given FROM ${await viewRows(lake, head.views["active_names"]!)}`),
  );
  expect((await publishStatus(lake, defaultTarget(lake.store))).lagSnapshots).toBe(0);
  const again = await publishDelta(lake);
  expect(again.tables.map((table) => table.outcome)).toEqual(["unchanged", "unchanged"]);
}

describe("published tables", () => {
  it("hold after any landings, compactions, rebuilds and restores each live row exactly once", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 16 }), async (steps) => {
        const location = await mkdtemp(path.join(tmpdir(), "fhir-lake-delta-"));
        const lake = await Lake.open({ location });
        try {
          await perform(lake, {
            do: "land",
            changes: [{ id: 0, at: 1, kind: "update", active: true, given: ["Ana"], start: undefined }],
          });
          for (const one of steps) {
            await perform(lake, one);
            if (one.do === "publish") await checkPublished(lake);
          }
          await publishDelta(lake);
          await cleanPublished(lake, defaultTarget(lake.store), { retentionMs: 0 });
          await checkPublished(lake);
        } finally {
          await lake.close();
          await rm(location, { recursive: true, force: true });
        }
      }),
      {
        numRuns: Number(process.env["FHIR_LAKE_PROP_RUNS"] ?? 20),
        seed: Number(process.env["FHIR_LAKE_PROP_SEED"] ?? 42),
      },
    );
  }, 240_000);
});
