import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadDefinitions } from "#fhir";
import { compact, Lake, viewRows } from "#lake";
import { land, type Version } from "../../test/support/landing.js";
import { buildViews } from "./build-views.js";
import { commitLanding } from "./commit-landing.js";
import { registerView } from "./view-registry.js";

const definitions = loadDefinitions("4.0.1");

/** Rows multiply (one per given name) and vanish (inactive patients leave the view). */
const NAMES = {
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
const view = registerView(JSON.stringify(NAMES), "active_names.json", definitions, true);
const views = new Map([[view.name, view]]);

interface Change {
  readonly id: number;
  readonly at: number;
  readonly kind: "update" | "delete";
  readonly active: boolean;
  readonly given: readonly string[];
}

const change: fc.Arbitrary<Change> = fc.record({
  id: fc.integer({ min: 0, max: 5 }),
  at: fc.integer({ min: 0, max: 30 }),
  kind: fc.constantFrom("update", "update", "update", "delete"),
  active: fc.boolean(),
  given: fc.array(fc.constantFrom("Ana", "Bo", "Çelik"), { maxLength: 3 }),
});

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
);

function version(c: Change): Version {
  const at = new Date(Date.UTC(2026, 0, 1, 0, c.at)).toISOString();
  if (c.kind === "delete") return { deleted: `Patient/p${c.id}`, at };
  return {
    resource: {
      resourceType: "Patient",
      id: `p${c.id}`,
      meta: { lastUpdated: at },
      active: c.active,
      ...(c.given.length === 0 ? {} : { name: [{ given: [...c.given] }] }),
    },
  };
}

/** The model: every version ever landed, folded by the order key's rule, then the view by hand. */
class Model {
  private readonly newest = new Map<number, { order: string; change: Change }>();
  private landing = 0;

  land(changes: readonly Change[]): void {
    this.landing++;
    for (const [position, c] of changes.entries()) {
      const pad = (n: number): string => String(n).padStart(6, "0");
      const order = [pad(c.at), c.kind === "delete" ? "1" : "0", pad(this.landing), pad(position)].join(" ");
      const known = this.newest.get(c.id);
      if (known === undefined || order > known.order) this.newest.set(c.id, { order, change: c });
    }
  }

  rows(): string[] {
    const rows: string[] = [];
    for (const [id, { change: c }] of this.newest) {
      if (c.kind === "delete" || !c.active) continue;
      for (const given of c.given.length === 0 ? [null] : c.given)
        rows.push(JSON.stringify([`test/Patient/p${id}`, given]));
    }
    return rows.sort();
  }
}

async function rows(lake: Lake): Promise<string[]> {
  const state = (await lake.head()).views["active_names"]!;
  expect(state.state).toBe("ready");
  const found = await lake.database.with((c) =>
    viewRows(lake, state).then((r) =>
      c.rows<{ key: string; given: string | null }>(`SELECT key, given FROM ${r}`),
    ),
  );
  expect(state.rowCount).toBe(found.length);
  return found.map((row) => JSON.stringify([row.key, row.given])).sort();
}

describe("materialized views", () => {
  it("are after any landings, compactions and rebuilds what the fold of all versions gives", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 14 }), async (steps) => {
        const location = await mkdtemp(path.join(tmpdir(), "fhir-lake-prop-"));
        const lake = await Lake.open({ location });
        try {
          const model = new Model();
          let landed = false;
          for (const s of steps) {
            if (s.do === "land") {
              model.land(s.changes);
              const landing = await land(s.changes.map(version));
              await commitLanding(lake, { ...landing, views });
              await rm(landing.landingDir, { recursive: true });
              landed = true;
              await buildViews(lake, { views });
            } else if (s.do === "compact") {
              await compact(lake, { full: s.full });
            } else if (landed) {
              await buildViews(lake, { views, force: new Set(["active_names"]) });
            }
            if (landed) expect(await rows(lake)).toEqual(model.rows());
          }
        } finally {
          await lake.close();
          await rm(location, { recursive: true, force: true });
        }
      }),
      {
        numRuns: Number(process.env["FHIR_LAKE_PROP_RUNS"] ?? 25),
        seed: Number(process.env["FHIR_LAKE_PROP_SEED"] ?? 42),
      },
    );
  }, 240_000);
});
