import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { busyShare, type Machine, machine } from "./machine.js";
import type { BenchContext, Outcome, Scenario } from "./scenario.js";

/** Options that say where somebody's folders and servers are, which is nobody else's business. */
const PLACES: ReadonlySet<string> = new Set(["keep", "fhir", "peers"]);

/** What is kept of a scenario: its outcome, and where and with what it was measured. */
export interface ScenarioRecord extends Outcome {
  readonly machine: Machine;
  readonly options: Readonly<Record<string, string>>;
}

/** What the runner is told beside the scenarios. */
export interface RunOptions {
  readonly quick: boolean;
  readonly options: Readonly<Record<string, string>>;
  /** A line for whoever waits. */
  readonly log: (line: string) => void;
  /** Called as soon as a scenario has its figures, so that a later failure loses none of them. */
  readonly onRecord: (scenario: Scenario, record: ScenarioRecord) => void;
}

async function runOne(scenario: Scenario, context: Omit<BenchContext, "scratch">): Promise<Outcome> {
  const scratch = mkdtempSync(path.join(process.env["FHIR_LAKE_BENCH_DIR"] ?? tmpdir(), "fhir-lake-bench-"));
  const clean = (): void => rmSync(scratch, { recursive: true, force: true });
  process.once("exit", clean);
  try {
    const result = await scenario.run({ ...context, scratch });
    return "figures" in result ? result : { figures: result };
  } finally {
    process.off("exit", clean);
    clean();
  }
}

/**
 * Runs scenarios one after the other. One that fails, or whose inputs are absent, does not keep the others from running; the answer is why
 * each of those failed, by name.
 */
export async function runAll(
  chosen: readonly Scenario[],
  { quick, options, log, onRecord }: RunOptions,
): Promise<ReadonlyMap<string, string>> {
  const failures = new Map<string, string>();
  for (const scenario of chosen) {
    log(`${scenario.name}: ${scenario.about}`);
    const before = await busyShare(quick ? 10 : 2000);
    try {
      const outcome = await runOne(scenario, { quick, options, log: (text) => log(`    ${text}`) });
      const own = Object.entries(options).filter(([name]) => scenario.options?.includes(name) === true);
      const shown = Object.fromEntries(own.filter(([name]) => !PLACES.has(name)));
      onRecord(scenario, { machine: machine(before), options: shown, ...outcome });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      failures.set(scenario.name, reason);
      log(`${scenario.name} failed: ${error instanceof Error ? (error.stack ?? reason) : reason}`);
    }
  }
  return failures;
}
