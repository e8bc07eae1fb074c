import { expect, it } from "vitest";
import { Model, instantOf, type Version } from "./model.js";
import { TEST_VIEWS } from "./views.js";
import { openReadEngine, World } from "./world.js";

const patient = (id: string, clock: number, active: boolean, names: string[]): Version => ({
  type: "Patient", id, kind: "U", clock,
  text: JSON.stringify({ resourceType: "Patient", id, meta: { lastUpdated: instantOf(clock) }, active, gender: "male", name: names.map((family) => ({ family })) }),
});

it("merges", async () => {
  const database = await openReadEngine();
  const world = await World.create(database);
  const model = new Model();
  const check = async (what: string) => {
    for (const view of TEST_VIEWS) {
      const expected = model.live(view.definition.resource as "Patient").flatMap((r) => view.rows(r)).map((r) => JSON.stringify(r)).sort();
      expect(await world.read(view.definition.name), `${what} ${view.definition.name}`).toEqual(expected);
    }
  };
  await check("empty");
  const steps: [string, () => Promise<void>][] = [];
  const notify = (v: Version[]) => steps.push(["notify", async () => { await world.notify(v); model.accept(v); }]);
  const batch = (v: Version[]) => steps.push(["batch", async () => { await world.batch(v); model.accept(v); }]);
  notify([patient("a", 10, true, ["A", "B", "C"])]);
  notify([patient("a", 20, true, ["A"]), patient("b", 21, true, ["X"]), patient("b", 22, true, ["Y", "Z"])]);
  notify([patient("a", 15, true, ["old"])]);
  batch([patient("a", 30, false, ["newest"]), patient("c", 31, true, [])]);
  notify([patient("c", 25, true, ["late"])]);
  notify([{ type: "Patient", id: "b", kind: "D", clock: 40, text: "" }]);
  notify([patient("b", 35, true, ["resurrected"])]);
  steps.push(["flush", () => world.flush()]);
  notify([patient("b", 36, true, ["resurrected again"]), patient("d", 50, true, ["D"])]);
  batch([patient("d", 45, true, ["dd"])]);
  steps.push(["restart", () => world.restart()]);
  steps.push(["compact", () => world.compact()]);
  steps.push(["flush", () => world.flush()]);
  notify([patient("d", 60, true, ["D2"])]);
  for (const [i, [name, run]] of steps.entries()) { await run(); await check(`${i} ${name}`); }
  await world.close();
  database.close();
}, 60_000);
