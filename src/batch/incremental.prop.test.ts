import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadDefinitions } from "#fhir";
import {
  compact,
  erase,
  Lake,
  pin,
  pins,
  prepareErasure,
  restoreSnapshot,
  vacuum,
  verify,
  viewRows,
} from "#lake";
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
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restore" as const), back: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("pin" as const), back: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("erase" as const), id: fc.integer({ min: 0, max: 5 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("vacuum" as const), keep: fc.integer({ min: 1, max: 3 }) }),
  },
);

type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

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
  private newest = new Map<number, { order: string; change: Change }>();
  private landing = 0;
  /** Whoever was erased never comes back. */
  private readonly erased = new Set<number>();
  /** What was current at each snapshot. */
  private readonly saved = new Map<number, { newest: Model["newest"]; rows: string[] }>();

  /** Notes that this snapshot holds what is current now. */
  save(id: number): void {
    if (!this.saved.has(id)) this.saved.set(id, { newest: new Map(this.newest), rows: this.rows() });
  }

  restore(id: number): void {
    this.newest = new Map(this.saved.get(id)!.newest);
  }

  erase(id: number): void {
    this.erased.add(id);
    this.newest.delete(id);
  }

  rowsAt(id: number): string[] {
    return this.saved.get(id)!.rows;
  }

  land(changes: readonly Change[]): void {
    this.landing++;
    for (const [position, c] of changes.entries()) {
      if (this.erased.has(c.id)) continue;
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

/** The view's rows in a snapshot; undefined while it is not built there. */
async function rowsAt(lake: Lake, id: number): Promise<string[] | undefined> {
  const state = (await lake.history.at(id)).views["active_names"];
  if (state?.state !== "ready") return undefined;
  const found = await lake.database.with((c) =>
    viewRows(lake, state).then((r) =>
      c.rows<{ key: string; given: string | null }>(`SELECT key, given FROM ${r}`),
    ),
  );
  expect(state.rowCount).toBe(found.length);
  return found.map((row) => JSON.stringify([row.key, row.given])).sort();
}

/** A lake with its model, and every step that both take. */
class Trial {
  private readonly lake: Lake;
  private readonly model = new Model();
  private last = 0;

  constructor(lake: Lake) {
    this.lake = lake;
  }

  async take(s: Step): Promise<void> {
    const { lake, model } = this;
    if (s.do === "land") {
      model.land(s.changes);
      const landing = await land(s.changes.map(version));
      await commitLanding(lake, { ...landing, views });
      await rm(landing.landingDir, { recursive: true });
      await buildViews(lake, { views });
    } else if (this.last === 0) return;
    else if (s.do === "compact") await compact(lake, { full: s.full });
    else if (s.do === "rebuild") await buildViews(lake, { views, force: new Set(["active_names"]) });
    else if (s.do === "pin") await this.pin(s.back);
    else if (s.do === "restore") await this.restore(s.back);
    else if (s.do === "erase") await this.erase(s.id);
    else await this.vacuum(s.keep);
    await this.note();
  }

  private async some(back: number): Promise<number> {
    const ids = await this.lake.history.ids();
    return ids[back % ids.length]!;
  }

  private async pin(back: number): Promise<void> {
    const id = await this.some(back);
    await pin(this.lake, { name: `p${id}`, snapshot: id });
  }

  private async restore(back: number): Promise<void> {
    const id = await this.some(back);
    await restoreSnapshot(this.lake, id);
    this.model.restore(id);
    const made = (await this.lake.head()).id;
    if (made > this.last) this.model.save(made);
    // A snapshot from before its view was built wants the view built again.
    await buildViews(this.lake, { views });
  }

  private async erase(id: number): Promise<void> {
    const name = { source: "test", type: "Patient", id: `p${id}` };
    const wish = { patients: [name], resources: [], mentions: "keep", allowReturn: false } as const;
    await erase(this.lake, await prepareErasure(this.lake, wish));
    this.model.erase(id);
    // Snapshots that are left never held the person, and say what they always said.
    for (const kept of await this.lake.history.ids()) {
      const rows = await rowsAt(this.lake, kept);
      if (rows === undefined) continue;
      expect(rows.filter((row) => row.includes(`Patient/p${id}"`))).toEqual([]);
      if (kept <= this.last) expect(rows).toEqual(this.model.rowsAt(kept));
    }
  }

  private async vacuum(keep: number): Promise<void> {
    const before = await this.lake.history.ids();
    await vacuum(this.lake, { keepSnapshots: keep, graceMs: 0 });
    const pinned = new Set((await pins(this.lake)).map((one) => one.snapshot));
    const kept = before.filter((id, i) => i >= before.length - keep || pinned.has(id));
    expect(await this.lake.history.ids()).toEqual(kept);
    expect((await verify(this.lake)).damaged).toEqual([]);
    expect((await verify(this.lake)).orphans).toEqual({ files: 0, bytes: 0 });
    for (const id of kept) {
      const rows = await rowsAt(this.lake, id);
      if (rows !== undefined) expect(rows).toEqual(this.model.rowsAt(id));
    }
  }

  /** Every snapshot since the last step holds what is current now. */
  private async note(): Promise<void> {
    const head = await this.lake.history.latest();
    if (head === undefined) return;
    for (let id = this.last + 1; id <= head.id; id++) this.model.save(id);
    this.last = head.id;
    expect(await rowsAt(this.lake, head.id)).toEqual(this.model.rows());
  }
}

describe("materialized views", () => {
  it("are after any landings, compactions, rebuilds, restores, erasures and vacuums what the fold of all versions gives", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 14 }), async (steps) => {
        const location = await mkdtemp(path.join(tmpdir(), "fhir-lake-prop-"));
        const lake = await Lake.open({ location });
        try {
          const trial = new Trial(lake);
          for (const s of steps) await trial.take(s);
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
