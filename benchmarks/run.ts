// The runner of all benchmarks: `npm run bench -- [scenario…] [--quick] [--json] [--list] [--report] [--<option of a scenario>=value]`.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { didYouMean, packageRoot } from "#kernel";
import { load, machine } from "./machine.js";
import { scenarios } from "./registry.js";
import { writeReport } from "./report/write.js";
import type { BenchContext, Figure, Outcome, Scenario } from "./scenario.js";

const OWN = {
  quick: { type: "boolean" },
  json: { type: "boolean" },
  list: { type: "boolean" },
  report: { type: "boolean" },
} as const;

/** Options that say where somebody's folders and servers are, which is nobody else's business. */
const PLACES: ReadonlySet<string> = new Set(["keep", "fhir", "peers"]);

/** Ends with one sentence on stderr and the code of wrong input. */
function refuse(text: string): never {
  process.stderr.write(`${text}\n`);
  process.exit(2);
}

function chosenScenarios(names: readonly string[]): readonly Scenario[] {
  const known = scenarios.map((scenario) => scenario.name);
  const wrong = names.find((name) => !known.includes(name));
  if (wrong !== undefined)
    refuse(`'${wrong}' is no scenario.${didYouMean(wrong, known)} There are ${known.join(", ")}.`);
  return names.length === 0 ? scenarios : scenarios.filter((scenario) => names.includes(scenario.name));
}

function readArguments(): {
  chosen: readonly Scenario[];
  flags: ReadonlySet<string>;
  options: Record<string, string>;
} {
  const all = scenarios.flatMap((scenario) => scenario.options ?? []);
  const declared = Object.fromEntries(all.map((name) => [name, { type: "string" as const }]));
  try {
    const { values, positionals } = parseArgs({ options: { ...OWN, ...declared }, allowPositionals: true });
    const chosen = chosenScenarios(positionals);
    const given: [string, string | boolean | undefined][] = Object.entries(values);
    const options = Object.fromEntries(
      given.filter((one): one is [string, string] => typeof one[1] === "string"),
    );
    for (const name of Object.keys(options)) {
      if (!chosen.some((scenario) => scenario.options?.includes(name) === true))
        refuse(`None of the chosen scenarios takes --${name}.`);
    }
    return {
      chosen,
      flags: new Set(given.filter(([, value]) => value === true).map(([name]) => name)),
      options,
    };
  } catch (error) {
    const message = error instanceof Error ? error.message.split(". ")[0]! : String(error);
    const typed = /'--([^'= ]+)/.exec(message)?.[1] ?? "";
    return refuse(`${message}.${didYouMean(typed, [...Object.keys(OWN), ...all])}`);
  }
}

function print(figures: readonly Figure[]): void {
  for (const { name, value, unit, bar, ...rest } of figures) {
    const [low, high] = [rest.low ?? rest.min, rest.high ?? rest.max];
    const range = low === undefined ? "" : ` (${low.toPrecision(3)}..${high!.toPrecision(3)})`;
    const aim = bar === undefined ? "" : `   aim ${bar}`;
    process.stdout.write(`  ${name.padEnd(58)} ${value.toPrecision(4).padStart(9)} ${unit}${range}${aim}\n`);
  }
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

/** Runs scenarios; outside a quick run each one's results are written as soon as it ends. */
async function runAll(
  chosen: readonly Scenario[],
  options: Record<string, string>,
  quick: boolean,
): Promise<object> {
  const folder = path.join(packageRoot(), "benchmarks", "results");
  const results: Record<string, object> = {};
  for (const scenario of chosen) {
    process.stderr.write(`${scenario.name}: ${scenario.about}\n`);
    const before = load();
    const log = (text: string): void => void process.stderr.write(`    ${text}\n`);
    const outcome = await runOne(scenario, { quick, options, log });
    const own = Object.entries(options).filter(([name]) => scenario.options?.includes(name) === true);
    const shown = Object.fromEntries(own.filter(([name]) => !PLACES.has(name)));
    const record = { machine: machine(before), options: shown, ...outcome };
    results[scenario.name] = record;
    if (!json) print(outcome.figures);
    if (quick) continue;
    mkdirSync(folder, { recursive: true });
    const variant = scenario.variant?.(options);
    const name = variant === undefined ? scenario.name : `${scenario.name}-${variant}`;
    writeFileSync(path.join(folder, `${name}.json`), `${JSON.stringify(record, null, 2)}\n`);
  }
  return { quick, results };
}

// Ends by its exit handlers, so that servers and scratch folders go with it.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
const { chosen, flags, options } = readArguments();
const json = flags.has("json");
if (flags.has("list")) {
  for (const { name, about } of chosen) process.stdout.write(`${name.padEnd(16)} ${about}\n`);
} else if (flags.has("report")) {
  for (const file of writeReport(packageRoot())) process.stdout.write(`${file}\n`);
} else {
  const report = await runAll(chosen, options, flags.has("quick"));
  if (json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  if (!flags.has("quick")) writeReport(packageRoot());
}
