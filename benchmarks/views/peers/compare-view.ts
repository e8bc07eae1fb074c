import { copyFileSync, existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { interleaved } from "../../measure.js";
import type { ComparedView } from "./compared-views.js";
import { OWN } from "./engines.js";
import { firstLines } from "./part.js";
import { type Engine, type EngineCost, EngineFailure, runEngine } from "./run-engine.js";
import { differentRows } from "./same-rows.js";

/** Processor time that the evaluations which count as warm are to have used, so that the ticks of 10 ms that it is told in do not matter. */
const WARM_CPU_SECONDS = 1;
const MOST_LATER = 40;

/** What one turn of an engine cost. */
export interface Turn {
  /** A process with warm evaluations, over as many resources as the engine gets. */
  readonly warm: EngineCost;
  /** Processes of one evaluation, by number of resources. */
  readonly small: ReadonlyMap<number, EngineCost>;
}

/** An engine with what it cost in all turns. */
export interface EngineTurns {
  readonly engine: Engine;
  readonly resources: number;
  readonly turns: readonly Turn[];
}

/** What is compared, and where the rows may lie meanwhile. */
export interface CompareOptions {
  readonly view: ComparedView;
  /** NDJSON of the view's type. */
  readonly input: string;
  readonly resources: number;
  readonly repeats: number;
  /** One warm evaluation instead of as many as take a second. */
  readonly quick: boolean;
  readonly folder: string;
}

interface Chosen {
  readonly engine: Engine;
  readonly resources: number;
  readonly later: number;
}

/** Rows of a peer: a file, or a folder of parts. */
function rowsPlace(output: string): string {
  return existsSync(output) && statSync(output).isDirectory() ? path.join(output, "part-*") : output;
}

/** How many resources an engine gets. */
function resourcesOf({ share = 1 }: Engine, resources: number): number {
  return Math.ceil(resources / share);
}

class Comparison {
  private readonly options: CompareOptions;

  constructor(options: CompareOptions) {
    this.options = options;
    mkdirSync(options.folder, { recursive: true });
  }

  /** How often an engine is to evaluate the view. Errors: EngineFailure when it cannot, or gives other rows than we do. */
  async choose(engine: Engine): Promise<Chosen> {
    const resources = resourcesOf(engine, this.options.resources);
    const { warmCpu } = await this.checked({ ...engine, warmUps: 0 }, resources, 1);
    const enough = Math.ceil(WARM_CPU_SECONDS / Math.max(warmCpu, 0.01));
    return { engine, resources, later: this.options.quick ? 1 : Math.min(MOST_LATER, Math.max(2, enough)) };
  }

  async turn({ engine, resources, later }: Chosen, sizes: readonly number[]): Promise<Turn> {
    const warm = await this.checked(engine, resources, later);
    const small = new Map<number, EngineCost>();
    if (engine.isSlowToStart !== true) {
      for (const size of sizes.filter((one) => one <= resources))
        small.set(size, await this.checked(engine, size, 0));
    }
    return { warm, small };
  }

  /** One process of an engine, whose rows are compared with ours after it has ended. */
  private async checked(engine: Engine, resources: number, later: number): Promise<EngineCost> {
    const { cost, rows } = await this.once(engine, resources, later);
    const different = await differentRows(await this.ours(resources), rows, this.options.view.columns);
    if (different === 0) return cost;
    throw new EngineFailure(engine.name, `it gives other rows (${different} differ)`);
  }

  /** Our rows over so many resources; made once. */
  private async ours(resources: number): Promise<string> {
    const file = path.join(this.options.folder, `expected-${resources}.json`);
    if (!existsSync(file)) copyFileSync((await this.once(OWN[0]!, resources, 0)).rows, file);
    return file;
  }

  private async once(
    engine: Engine,
    resources: number,
    later: number,
  ): Promise<{ readonly cost: EngineCost; readonly rows: string }> {
    const { view, folder, input } = this.options;
    const output = path.join(folder, `${engine.name.replaceAll(" ", "-")}.json`);
    rmSync(output, { recursive: true, force: true });
    const files = [view.file, await firstLines(input, resources), output];
    const cost = await runEngine(
      engine,
      files,
      later,
      OWN.some(({ name }) => name === engine.name) ? [view.handWritten] : [],
    );
    return { cost, rows: rowsPlace(output) };
  }
}

/** A sentence for a peer that failed; our own engines must not. */
function reasonOf(engine: Engine, { name }: ComparedView, error: unknown): string {
  if (!(error instanceof EngineFailure) || OWN.includes(engine)) throw error;
  return `${engine.name} cannot run ${name}: ${error.reason}`;
}

/**
 * What the engines cost that give our rows, in turns of changing order; and for each other one the reason why it is not compared. Besides
 * the evaluations over as many resources as each engine gets, those that start in a moment do single ones over as few as the others get.
 *
 * @throws EngineFailure when our own engines fail or their rows differ.
 */
export async function compareView(
  engines: readonly Engine[],
  options: CompareOptions,
): Promise<{ readonly compared: readonly EngineTurns[]; readonly reasons: readonly string[] }> {
  const comparison = new Comparison(options);
  const chosen = new Map<string, Chosen>();
  const reasons = new Map<string, string>();
  const unless = async <T>(engine: Engine, work: () => Promise<T>): Promise<T | undefined> => {
    if (reasons.has(engine.name)) return undefined;
    try {
      return await work();
    } catch (error) {
      reasons.set(engine.name, reasonOf(engine, options.view, error));
      return undefined;
    }
  };
  for (const engine of engines) {
    const choice = await unless(engine, () => comparison.choose(engine));
    if (choice !== undefined) chosen.set(engine.name, choice);
  }
  const sizes = new Set(engines.map((engine) => resourcesOf(engine, options.resources)));
  const small = [...sizes].filter((size) => size < options.resources).sort((a, b) => a - b);
  const sides = Object.fromEntries(
    [...chosen].map(([name, one]) => [name, () => unless(one.engine, () => comparison.turn(one, small))]),
  );
  // The processes that found the rows equal have filled the file cache.
  const turns = await interleaved(sides, { repeats: options.repeats, warmUps: 0 });
  const compared = [...chosen.values()]
    .filter(({ engine }) => !reasons.has(engine.name))
    .map(({ engine, resources }) => ({ engine, resources, turns: turns[engine.name]! as Turn[] }));
  return { compared, reasons: [...reasons.values()] };
}
