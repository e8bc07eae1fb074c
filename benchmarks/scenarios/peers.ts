import { existsSync } from "node:fs";
import path from "node:path";
import { repeated } from "../measure.js";
import type { BenchContext, Figure, Outcome, Scenario } from "../scenario.js";
import { benchmarkData } from "../views/data.js";
import { DEFINITIONS } from "../views/pathling-views.js";
import { compareView, type EngineTurns, type Turn } from "../views/peers/compare-view.js";
import { comparedViews } from "../views/peers/compared-views.js";
import { OWN, type Peers, peersBelow } from "../views/peers/engines.js";

const COLD = "of the first evaluation with the start of the process";

function figures(view: string, all: number, { engine, resources, turns }: EngineTurns): Figure[] {
  const figure = (what: string, unit: string, of: (turn: Turn) => number): Figure => ({
    ...repeated(`${view}: ${what}, ${engine.name}`, unit, turns.map(of)),
    at: { subject: view, side: engine.name, what },
  });
  const perThousand = 1000 / resources;
  const made = [
    figure("CPU of 1,000 resources, warm", "ms", ({ warm }) => warm.warmCpu * 1000 * perThousand),
    figure("time of 1,000 resources, warm", "ms", ({ warm }) => warm.warm * 1000 * perThousand),
  ];
  // Start and memory depend on the number of resources otherwise than in proportion, and are compared at equal ones only.
  if (resources === all) {
    made.push(
      figure(`time ${COLD}`, "s", ({ warm }) => warm.cold),
      figure(`CPU ${COLD}`, "s", ({ warm }) => warm.coldCpu),
      figure("peak memory", "MB", ({ warm }) => warm.peakRss / 1e6),
    );
  }
  for (const size of turns[0]!.small.keys()) {
    const few = `${size.toLocaleString("en-US")} resources`;
    made.push(
      figure(`time ${COLD}, ${few}`, "s", ({ small }) => small.get(size)!.cold),
      figure(`peak memory, ${few}`, "MB", ({ small }) => small.get(size)!.peakRss / 1e6),
    );
  }
  return [
    ...made,
    {
      name: `${view}: resources, ${engine.name}`,
      value: resources,
      unit: "",
      at: { subject: view, side: engine.name, what: "resources" },
    },
  ];
}

/** The peers that are installed; of the others the log says where they were looked for, a note only their names. */
function peersOf({ options, log }: BenchContext): {
  readonly peers: Peers["installed"];
  readonly notes: string[];
} {
  if (options["peers"] === undefined) {
    log("no peers: --peers names a folder with them");
    return { peers: [], notes: ["No peers were compared: --peers names a folder with them."] };
  }
  const { installed, absent } = peersBelow(options["peers"]);
  log(`peers: ${installed.map(({ name }) => name).join(", ")}`);
  for (const reason of absent) log(`not compared, since it is not installed: ${reason}`);
  const names = absent.map((reason) => reason.split(":")[0]!);
  return { peers: installed, notes: names.map((name) => `${name} was not installed.`) };
}

/** Our compiler beside hand-written SQL and the peers that are installed. */
export const peersScenario: Scenario = {
  name: "peers",
  about:
    "views over NDJSON to a file of rows: ours, hand-written SQL, and the peers below --peers, rows equal",
  options: ["peers", "resources", "repeats"],
  run: async (context): Promise<Outcome> => {
    if (!existsSync(DEFINITIONS))
      throw new Error("the benchmark's views are in ../shared, which is not there");
    const { quick, options, scratch, log } = context;
    const { peers, notes } = peersOf(context);
    const resources = Number(options["resources"] ?? (quick ? 500 : 20_000));
    const repeats = Number(options["repeats"] ?? (quick ? 1 : 5));
    const data = process.env["FHIR_LAKE_BENCH_DATA"] ?? path.join(scratch, "data");
    const inputs = await benchmarkData(data, resources);
    const all: Figure[] = [];
    const versions: Record<string, string> = {};
    for (const view of comparedViews()) {
      const { compared, reasons } = await compareView([...OWN, ...peers], {
        view,
        input: inputs[view.resource]!,
        resources,
        repeats,
        quick,
        folder: path.join(scratch, view.name),
      });
      for (const one of compared) {
        versions[one.engine.name] = one.turns[0]!.warm.version;
        all.push(...figures(view.name, resources, one));
      }
      for (const reason of reasons) log(reason);
      notes.push(...reasons);
      log(`${view.name}: equal rows from ${compared.map(({ engine }) => engine.name).join(", ")}`);
    }
    return { figures: all, versions, notes };
  },
};
