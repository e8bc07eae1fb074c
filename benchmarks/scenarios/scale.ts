import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { generatePopulation } from "#synthetic";
import { type Cost, median, repeated, runSide } from "../measure.js";
import type { BenchContext, Figure, Outcome, Scenario } from "../scenario.js";

/** Resources that a person of the synthetic population has, about. */
const PER_PATIENT = 335;
const READS_PER_LIFE = 5;
/** Live changes in merged reads: a hundredth of the resources, as in a day, but no more than a flush leaves. */
const MOST_LIVE = 10_000;

const PROCESSES = ["ingest", "views", "increment", "compaction"] as const;
const READS = ["page", "count", "merged page", "merged count"] as const;

interface Inputs {
  readonly full: readonly string[];
  readonly night: readonly string[];
}

/** What one lake cost from its first resource to its last read. */
interface Life {
  readonly costs: Readonly<Record<(typeof PROCESSES)[number], Cost>>;
  /** Milliseconds per kind of read. */
  readonly reads: Readonly<Record<(typeof READS)[number], number>>;
  readonly readRss: number;
  readonly facts: Readonly<Record<string, number>>;
}

function ndjson(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /^([A-Z].*|deleted)\.ndjson$/.test(name))
    .map((name) => path.join(folder, name));
}

async function inputsOf(scratch: string, size: number): Promise<Inputs> {
  const outDir = path.join(scratch, `population-${size}`);
  if (!existsSync(path.join(outDir, "truth.json"))) {
    const patients = Math.max(1, Math.round(size / PER_PATIENT));
    await generatePopulation({ patients, seed: 13, outDir, updatesBatches: 1, overwrite: true });
  }
  return { full: ndjson(outDir), night: ndjson(path.join(outDir, "batch-001")) };
}

/** A lake is filled, its views are built, a night is added, it is compacted and read. */
async function oneLife(folder: string, { full, night }: Inputs): Promise<Life> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const lake = path.join(folder, "lake");
  const ingest = await runSide("land-and-commit", [lake, ...full]);
  const views = await runSide("build-all-views", [lake]);
  const increment = await runSide("full-ingest", [lake, "0", ...night]);
  const compaction = await runSide("compact-lake", [lake]);
  const resources = Number(ingest.facts["rows"]);
  const live = Math.max(1, Math.min(MOST_LIVE, Math.round(resources / 100)));
  const read = await runSide("scale-reads", [lake, String(live), String(READS_PER_LIFE), ...full]);
  const times = read.facts["times"] as Readonly<Record<(typeof READS)[number], readonly number[]>>;
  rmSync(folder, { recursive: true, force: true });
  return {
    costs: { ingest, views, increment, compaction },
    reads: Object.fromEntries(READS.map((name) => [name, median(times[name])])) as Life["reads"],
    readRss: read.peakRss,
    facts: {
      resources,
      "changed resources of the increment": Number(increment.facts["stored"]),
      "rows of all views": Number(views.facts["rows"]),
      "bytes of resources in the lake": Number(ingest.facts["bytes"]),
      "live changes in merged reads": Number(read.facts["live"]),
    },
  };
}

function sizeFigures(size: number, lives: readonly Life[]): Figure[] {
  const subject = size.toLocaleString("en-US");
  const figure = (what: string, unit: string, values: readonly number[]): Figure => ({
    ...repeated(`${subject}: ${what}`, unit, values),
    at: { subject, side: "lake", what },
  });
  const figures: Figure[] = Object.entries(lives[0]!.facts).map(([what, value]) => ({
    name: `${subject}: ${what}`,
    value,
    unit: "",
    at: { subject, side: "lake", what },
  }));
  for (const step of PROCESSES) {
    const costs = lives.map((life) => life.costs[step]);
    figures.push(
      figure(
        step,
        "s",
        costs.map((cost) => cost.wall),
      ),
      figure(
        `${step}, CPU`,
        "s",
        costs.map((cost) => cost.cpu),
      ),
      figure(
        `${step}, peak memory`,
        "MB",
        costs.map((cost) => cost.peakRss / 1e6),
      ),
    );
  }
  for (const read of READS)
    figures.push(
      figure(
        read,
        "ms",
        lives.map((life) => life.reads[read]),
      ),
    );
  figures.push(
    figure(
      "reads, peak memory",
      "MB",
      lives.map((life) => life.readRss / 1e6),
    ),
  );
  return figures;
}

function numbersOf(text: string, option: string): number[] {
  const values = text.split(",").map(Number);
  if (values.every((value) => Number.isInteger(value) && value > 0)) return values;
  throw new Error(`--${option} takes whole numbers above zero with commas between, not '${text}'.`);
}

/** How everything grows with the number of resources. */
export const scaleScenario: Scenario = {
  name: "scale",
  about:
    "a lake's life at 1e4, 1e5 and 1e6 resources (--sizes, --repeats; --once: sizes for one life): ingest, views, increment, compaction, reads",
  options: ["sizes", "repeats", "once"],
  run: async ({ quick, scratch, options, log }: BenchContext): Promise<Outcome> => {
    const sizes = numbersOf(options["sizes"] ?? (quick ? "2000" : "10000,100000,1000000"), "sizes");
    const [repeats = 1] = numbersOf(options["repeats"] ?? (quick ? "1" : "10"), "repeats");
    const once = options["once"] === undefined ? [] : numbersOf(options["once"], "once");
    const lives = new Map<number, Life[]>([...sizes, ...once].map((size) => [size, []]));
    const live = async (size: number, turn: number): Promise<void> => {
      const life = await oneLife(path.join(scratch, "life"), await inputsOf(scratch, size));
      const { ingest, views } = life.costs;
      log(`${size}, turn ${turn}: ingest ${ingest.wall.toFixed(2)} s, views ${views.wall.toFixed(2)} s`);
      if (turn >= 0) lives.get(size)!.push(life);
    };
    // One life of each size in turn, so that whatever else the machine does meets all sizes; the first turn warms the file cache.
    for (let turn = quick ? 0 : -1; turn < repeats; turn++) {
      for (const size of sizes) {
        if (turn < 0 && size > 1e5) continue;
        await live(size, turn);
      }
    }
    const notes: string[] = [];
    for (const size of once) {
      try {
        await live(size, 0);
      } catch (error) {
        // A size that a machine cannot hold must not take the figures of the others with it.
        notes.push(`${size.toLocaleString("en-US")} resources could not be measured: ${String(error)}`);
        log(notes.at(-1)!);
      }
    }
    const measured = [...lives].filter(([, of]) => of.length > 0);
    return { figures: measured.flatMap(([size, of]) => sizeFigures(size, of)), notes };
  },
};
