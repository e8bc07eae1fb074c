import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { compileView } from "#compiler";
import { packageRoot } from "#kernel";
import { type Cost, interleaved, ratios, repeated, runSide, spread } from "../measure.js";
import type { Figure, Outcome, Scenario } from "../scenario.js";
import { benchmarkData } from "./data.js";
import { flatquackSide } from "./flatquack.js";
import { DEFINITIONS, PATHLING_VIEWS } from "./pathling-views.js";

const here = path.join(packageRoot(), "benchmarks", "views");

/** No synthetic patient has a contact, so that a lake of them has no column for the hand-written SQL to read. */
const WITHOUT_RECORDS = "patient_and_contact_addresses";
/** The other views of Pathling's benchmark, and one that repeats into answers. */
const views: readonly (readonly [string, string])[] = [
  ...PATHLING_VIEWS.filter(([name]) => name !== WITHOUT_RECORDS),
  ["questionnaire_response_items", path.join(here, "questionnaire_response_items.json")],
];

const places = ["ndjson", "lake"] as const;

interface Case {
  readonly name: string;
  readonly viewFile: string;
  readonly place: (typeof places)[number];
  readonly input: string;
}

type Measured = "ours" | "hand" | "flatquack";

/** What a name of a side is called in figures. */
const called = { ours: "ours", hand: "hand-written", flatquack: "FlatQuack" } as const;

function refuseOtherRows({ name, place }: Case, ours: readonly Cost[], hand: readonly Cost[]): void {
  for (const [turn, own] of ours.entries()) {
    const [a, b] = [own.facts, hand[turn]!.facts];
    if (a["rows"] !== b["rows"] || a["checksum"] !== b["checksum"])
      throw new Error(`${name} over ${place}: ${JSON.stringify(a)} but hand-written ${JSON.stringify(b)}`);
  }
}

/** Figures of a view over NDJSON or a lake; FlatQuack is a third side of the same turns where it can be. */
async function compare(
  at: Case,
  repeats: number,
  flatquack: (() => Promise<Cost>) | undefined,
): Promise<Figure[]> {
  const { name, viewFile, place, input } = at;
  const hand = path.join(here, "sql", `${name}.${place}.sql`);
  const own = (who: "ours" | "hand") => () => runSide("view-rows", [who, place, viewFile, hand, input]);
  const sides: Partial<Record<Measured, () => Promise<Cost>>> = { ours: own("ours"), hand: own("hand") };
  if (flatquack !== undefined) sides.flatquack = flatquack;
  const costs = await interleaved<Measured, Cost>(sides as Record<Measured, () => Promise<Cost>>, {
    repeats,
  });
  refuseOtherRows(at, costs.ours, costs.hand);
  const of = (who: Measured, what: "cpu" | "wall") => costs[who].map((cost) => cost[what]);
  const mebibytes = (who: Measured) => costs[who].map(({ peakRss }) => peakRss / 2 ** 20);
  const figure = (what: string, unit: string, values: readonly number[], bar?: string): Figure =>
    repeated(`${name} over ${place}: ${what}`, unit, values, bar);
  const figures = [
    figure("CPU, ours / hand-written", "x", ratios(of("ours", "cpu"), of("hand", "cpu")), "<= 1.3"),
    figure("wall, ours / hand-written", "x", ratios(of("ours", "wall"), of("hand", "wall"))),
  ];
  if (flatquack !== undefined)
    figures.push(figure("CPU, FlatQuack / ours", "x", ratios(of("flatquack", "cpu"), of("ours", "cpu"))));
  for (const who of Object.keys(sides) as Measured[]) {
    figures.push(
      figure(`CPU, ${called[who]}`, "s", of(who, "cpu")),
      figure(`wall, ${called[who]}`, "s", of(who, "wall")),
      figure(`peak memory, ${called[who]}`, "MiB", mebibytes(who), who === "ours" ? "<= 512" : undefined),
    );
  }
  const rows = Number(costs.ours[0]!.facts["rows"]);
  return [...figures, { name: `${name} over ${place}: rows`, value: rows, unit: "rows" }];
}

/** Files of the shipped ViewDefinitions. */
function shippedViews(): string[] {
  const folder = path.join(packageRoot(), "viewdefinitions");
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".json") && !name.endsWith(".cases.json"))
    .map((name) => path.join(folder, name));
}

/** Milliseconds to compile a view that is not in the cache, definitions loaded: the median of twenty times. */
function compileMs(file: string): number {
  const view = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
  const times = Array.from({ length: 25 }, (_, i) => {
    const fresh = { ...view, name: `v${i}` };
    const before = performance.now();
    compileView(fresh);
    return performance.now() - before;
  });
  return spread(times.slice(5)).median;
}

function compileTimes(): Figure[] {
  const files = [...views.map(([, file]) => file), ...shippedViews()];
  // Once over all first: the compiler's own code is compiled while it runs.
  for (const file of files) compileMs(file);
  const timed = files.map((file) => ({ file, ms: compileMs(file) })).sort((a, b) => a.ms - b.ms);
  const { median, min, max } = spread(timed.map(({ ms }) => ms));
  const slowest = path.basename(timed.at(-1)!.file, ".json");
  return [
    { name: "compiling a view, warm", value: median, min, max, unit: "ms", bar: "<= 5" },
    { name: `compiling the slowest view, ${slowest}, warm`, value: max, unit: "ms", bar: "<= 5" },
  ];
}

/** Views over NDJSON and over a lake, against hand-written SQL that gives the same rows. */
export const viewsScenario: Scenario = {
  name: "views",
  about: "compiled views over NDJSON and over the lake, against hand-written SQL of equal output",
  run: async ({ quick, scratch, log }): Promise<Outcome> => {
    if (!existsSync(DEFINITIONS))
      throw new Error("the benchmark's views are in ../shared, which is not there");
    const count = Number(process.env["FHIR_LAKE_BENCH_RESOURCES"] ?? (quick ? 2000 : 200_000));
    const files = await benchmarkData(
      process.env["FHIR_LAKE_BENCH_DATA"] ?? path.join(scratch, "data"),
      count,
    );
    const lake = path.join(scratch, "lake");
    await runSide("land-and-commit", [lake, ...Object.values(files)]);
    const repeats = quick ? 1 : Number(process.env["FHIR_LAKE_BENCH_REPEATS"] ?? 5);
    const flatquack = process.env["FHIR_LAKE_BENCH_FLATQUACK"];
    const figures = compileTimes();
    const notes: string[] = [];
    const only = process.env["FHIR_LAKE_BENCH_VIEW"];
    for (const [name, viewFile] of views) {
      if (only !== undefined && only !== name) continue;
      const { resource } = JSON.parse(readFileSync(viewFile, "utf8")) as { resource: string };
      for (const place of places) {
        const input = place === "lake" ? lake : files[resource]!;
        const at = { name, viewFile, place, input };
        const beside =
          flatquack !== undefined && place === "ndjson"
            ? await flatquackSide(flatquack, at, scratch)
            : undefined;
        if (typeof beside === "string") notes.push(beside);
        figures.push(...(await compare(at, repeats, typeof beside === "string" ? undefined : beside)));
        log(`${name} over ${place}: equal`);
      }
    }
    for (const note of notes) log(note);
    return { figures, notes };
  },
};
