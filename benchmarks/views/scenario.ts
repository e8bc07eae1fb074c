import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { compileView } from "#compiler";
import { packageRoot } from "#kernel";
import { type Cost, runSide, spread } from "../measure.js";
import type { Figure, Scenario } from "../scenario.js";
import { benchmarkData } from "./data.js";
import { besideFlatquack } from "./flatquack.js";

const here = path.join(packageRoot(), "benchmarks", "views");
const shared = process.env["FHIR_LAKE_SHARED"] ?? path.join(packageRoot(), "..", "shared");
const pathling = path.join(shared, "conformance", "pathling-benchmark-views");

/** The views of the Pathling benchmark, and one that repeats into answers. Name of the hand-written SQL, and the view. */
const views: readonly (readonly [string, string])[] = [
  ["patient_demographics", path.join(pathling, "PatientDemographics.json")],
  ["patient_addresses", path.join(pathling, "PatientAddresses.json")],
  ["condition_flat", path.join(pathling, "ConditionFlat.json")],
  ["encounter_flat", path.join(pathling, "EncounterFlat.json")],
  ["us_core_blood_pressures", path.join(pathling, "UsCoreBloodPressures.json")],
  ["questionnaire_response_flat", path.join(pathling, "QuestionnaireResponseFlat.json")],
  ["questionnaire_response_items", path.join(here, "questionnaire_response_items.json")],
];

const places = ["ndjson", "lake"] as const;

interface Case {
  readonly name: string;
  readonly viewFile: string;
  readonly place: (typeof places)[number];
  readonly input: string;
}

async function compare(
  { name, viewFile, place, input }: Case,
  repeats: number,
): Promise<{ figures: Figure[]; cpu: readonly number[] }> {
  const hand = path.join(here, "sql", `${name}.${place}.sql`);
  const costs = { ours: [] as Cost[], hand: [] as Cost[] };
  // Alternating, so that whatever else the machine does meets both.
  for (let i = 0; i < repeats; i++) {
    for (const who of ["ours", "hand"] as const) {
      costs[who].push(await runSide("view-rows", [who, place, viewFile, hand, input]));
    }
  }
  const [ours, theirs] = [costs.ours[0]!.facts, costs.hand[0]!.facts];
  if (ours["rows"] !== theirs["rows"] || ours["checksum"] !== theirs["checksum"]) {
    throw new Error(
      `${name} over ${place}: ${JSON.stringify(ours)} but hand-written ${JSON.stringify(theirs)}`,
    );
  }
  const of = (who: "ours" | "hand", what: "cpu" | "wall" | "peakRss") => costs[who].map((cost) => cost[what]);
  const ratio = (what: "cpu" | "wall") =>
    spread(of("ours", what).map((value, i) => value / of("hand", what)[i]!));
  const figure = (
    what: string,
    unit: string,
    values: { median: number; min: number; max: number },
    bar?: string,
  ): Figure => ({
    name: `${name} over ${place}: ${what}`,
    value: values.median,
    min: values.min,
    max: values.max,
    unit,
    ...(bar === undefined ? {} : { bar }),
  });
  const mebibytes = (values: number[]) => spread(values.map((value) => value / 2 ** 20));
  const figures = [
    figure("CPU, ours / hand-written", "x", ratio("cpu"), "<= 1.3"),
    figure("wall, ours / hand-written", "x", ratio("wall")),
    figure("CPU, ours", "s", spread(of("ours", "cpu"))),
    figure("CPU, hand-written", "s", spread(of("hand", "cpu"))),
    figure("wall, ours", "s", spread(of("ours", "wall"))),
    figure("peak memory, ours", "MiB", mebibytes(of("ours", "peakRss")), "<= 512"),
    figure("peak memory, hand-written", "MiB", mebibytes(of("hand", "peakRss"))),
    { name: `${name} over ${place}: rows`, value: Number(ours["rows"]), unit: "rows" },
  ];
  return { figures, cpu: of("ours", "cpu") };
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
  run: async ({ quick, scratch, log }) => {
    if (!existsSync(pathling)) throw new Error("the benchmark's views are in ../shared, which is not there");
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
    const only = process.env["FHIR_LAKE_BENCH_VIEW"];
    for (const [name, viewFile] of views) {
      if (only !== undefined && only !== name) continue;
      const { resource } = JSON.parse(readFileSync(viewFile, "utf8")) as { resource: string };
      for (const place of places) {
        const input = place === "lake" ? lake : files[resource]!;
        const compared = await compare({ name, viewFile, place, input }, repeats);
        figures.push(...compared.figures);
        if (flatquack !== undefined && place === "ndjson") {
          const at = { name, viewFile, input, ours: compared.cpu };
          figures.push(...(await besideFlatquack(flatquack, at, { scratch, repeats, log })));
        }
        log(`${name} over ${place}: equal`);
      }
    }
    return figures;
  },
};
