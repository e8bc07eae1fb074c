import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { compileView } from "#compiler";
import { packageRoot } from "#kernel";
import { repeated } from "../measure.js";
import type { BenchContext, Figure, Outcome, Scenario } from "../scenario.js";
import { benchmarkData } from "../views/data.js";
import { OWN, peersBelow } from "../views/peers/engines.js";
import { firstLines } from "../views/peers/part.js";
import { type Engine, type EngineCost, runEngine } from "../views/peers/run-engine.js";
import { type ComparedColumn, differentRows } from "../views/peers/same-rows.js";

const shared = process.env["FHIR_LAKE_SHARED"] ?? path.join(packageRoot(), "..", "shared");
const definitions = path.join(shared, "conformance", "pathling-benchmark-views");
const handWritten = path.join(packageRoot(), "benchmarks", "views", "sql");
/** Name of the hand-written SQL, and the view of Pathling's benchmark. */
const VIEWS = [
  ["patient_demographics", "PatientDemographics.json"],
  ["patient_addresses", "PatientAddresses.json"],
  ["condition_flat", "ConditionFlat.json"],
  ["encounter_flat", "EncounterFlat.json"],
] as const;
/** Evaluations in the same process after the first one. */
const LATER_RUNS = 2;
const NUMBERS = new Set(["decimal", "integer", "integer64", "positiveInt", "unsignedInt"]);

interface View {
  readonly name: string;
  readonly file: string;
  readonly resource: string;
  readonly columns: readonly ComparedColumn[];
}

function viewOf(name: string, fileName: string): View {
  const file = path.join(definitions, fileName);
  const compiled = compileView(JSON.parse(readFileSync(file, "utf8")));
  const columns = compiled.columns.map((column) => ({
    name: column.name,
    isKey: /get(Resource|Reference)Key/.test(column.path),
    isNumber: NUMBERS.has(column.fhirType ?? ""),
  }));
  return { name, file, resource: compiled.resource, columns };
}

/** Rows of a peer: a file, or a folder of parts. */
function rowsPlace(output: string): string {
  return existsSync(output) && statSync(output).isDirectory() ? path.join(output, "part-*") : output;
}

interface Runs {
  readonly engine: Engine;
  readonly resources: number;
  readonly costs: EngineCost[];
}

class ViewComparison {
  private readonly view: View;
  private readonly context: BenchContext;
  private readonly folder: string;

  constructor(view: View, context: BenchContext) {
    this.view = view;
    this.context = context;
    this.folder = path.join(context.scratch, view.name);
    mkdirSync(this.folder, { recursive: true });
  }

  /** One process of an engine over a file; rows lie in its output afterwards. */
  private async once(
    engine: Engine,
    input: string,
    later = LATER_RUNS,
  ): Promise<{ cost: EngineCost; output: string }> {
    const output = path.join(this.folder, `${engine.name.replaceAll(" ", "-")}.json`);
    rmSync(output, { recursive: true, force: true });
    const hand = path.join(handWritten, `${this.view.name}.ndjson.sql`);
    const last = engine.args.at(-1);
    const own = last === "ours" || last === "hand";
    const files = [this.view.file, input, output];
    const cost = await runEngine(engine, files, later, own ? [hand] : []);
    return { cost, output: rowsPlace(output) };
  }

  /** Whether an engine gives our rows over the file that it gets; tells why not. */
  private async isEqual(engine: Engine, input: string): Promise<boolean> {
    try {
      const ours = await this.once(OWN[0]!, input, 1);
      const theirs = await this.once({ ...engine, warmUps: 0 }, input, 1);
      const different = await differentRows(ours.output, theirs.output, this.view.columns);
      if (different === 0) return true;
      this.context.log(
        `${this.view.name}: ${engine.name} gives other rows (${different} differ); its time is not compared`,
      );
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.context.log(`${this.view.name}: ${engine.name} cannot run this view: ${why}`);
    }
    return false;
  }

  /** Costs of all engines that give the same rows, in turns. */
  async run(engines: readonly Engine[], input: string, count: number, repeats: number): Promise<Runs[]> {
    const runs: (Runs & { readonly input: string })[] = [];
    for (const engine of engines) {
      const resources = Math.ceil(count / (engine.share ?? 1));
      const part = resources === count ? input : await firstLines(input, resources);
      if (await this.isEqual(engine, part)) runs.push({ engine, resources, input: part, costs: [] });
      else if (OWN.includes(engine)) throw new Error(`${this.view.name}: ${engine.name} gives other rows`);
    }
    for (let turn = 0; turn < repeats; turn++) {
      for (const run of turn % 2 === 0 ? runs : [...runs].reverse())
        run.costs.push((await this.once(run.engine, run.input)).cost);
    }
    return runs;
  }
}

function figures(view: string, { engine, resources, costs }: Runs): Figure[] {
  const figure = (what: string, unit: string, of: (cost: EngineCost) => number): Figure => ({
    ...repeated(`${view}: ${what}, ${engine.name}`, unit, costs.map(of)),
    at: { subject: view, side: engine.name, what },
  });
  const perThousand = 1000 / resources;
  return [
    figure("CPU of 1,000 resources, warm", "ms", (cost) => cost.warmCpu * 1000 * perThousand),
    figure("time of 1,000 resources, warm", "ms", (cost) => cost.warm * 1000 * perThousand),
    figure("time of the first evaluation with the start of the process", "s", (cost) => cost.cold),
    figure("CPU of the first evaluation with the start of the process", "s", (cost) => cost.coldCpu),
    figure("peak memory", "MB", (cost) => cost.peakRss / 1e6),
    {
      name: `${view}: resources, ${engine.name}`,
      value: resources,
      unit: "",
      at: { subject: view, side: engine.name, what: "resources" },
    },
  ];
}

/** Our compiler beside hand-written SQL and the peers that are installed. */
export const peersScenario: Scenario = {
  name: "peers",
  about:
    "views over NDJSON to a file of rows: ours, hand-written SQL, and the peers below --peers, rows equal",
  options: ["peers", "resources", "repeats"],
  run: async (context): Promise<Outcome> => {
    if (!existsSync(definitions))
      throw new Error("the benchmark's views are in ../shared, which is not there");
    const { quick, options, scratch, log } = context;
    const { installed: peers, absent } =
      options["peers"] === undefined ? { installed: [], absent: [] } : peersBelow(options["peers"]);
    const count = Number(options["resources"] ?? (quick ? 500 : 20_000));
    const repeats = Number(options["repeats"] ?? (quick ? 1 : 5));
    log(
      peers.length === 0
        ? "no peers: --peers names a folder with them"
        : `peers: ${peers.map(({ name }) => name).join(", ")}`,
    );
    for (const reason of absent) log(`not compared, since it is not installed: ${reason}`);
    const files = await benchmarkData(
      process.env["FHIR_LAKE_BENCH_DATA"] ?? path.join(scratch, "data"),
      count,
    );
    const all: Figure[] = [];
    const versions: Record<string, string> = {};
    for (const [name, fileName] of VIEWS) {
      const view = viewOf(name, fileName);
      const runs = await new ViewComparison(view, context).run(
        [...OWN, ...peers],
        files[view.resource]!,
        count,
        repeats,
      );
      for (const run of runs) {
        versions[run.engine.name] = run.costs[0]!.version;
        all.push(...figures(name, run));
      }
      log(`${name}: equal rows from ${runs.map(({ engine }) => engine.name).join(", ")}`);
    }
    return { figures: all, versions };
  },
};
