// The runner of all benchmarks: `npm run bench -- [scenario…] [--quick] [--json] [--list] [--report] [--<option of a scenario>=value]`.
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { didYouMean, packageRoot } from "#kernel";
import { scenarios } from "./registry.js";
import { writeReport } from "./report/write.js";
import { runAll, type ScenarioRecord } from "./run-all.js";
import type { Figure, Scenario } from "./scenario.js";

const OWN = {
  quick: { type: "boolean" },
  json: { type: "boolean" },
  list: { type: "boolean" },
  report: { type: "boolean" },
} as const;

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

/** Writes a scenario's results where the report reads them. */
function keep(scenario: Scenario, record: ScenarioRecord, options: Readonly<Record<string, string>>): void {
  const folder = path.join(packageRoot(), "benchmarks", "results");
  mkdirSync(folder, { recursive: true });
  const variant = scenario.variant?.(options);
  const name = variant === undefined ? scenario.name : `${scenario.name}-${variant}`;
  writeFileSync(path.join(folder, `${name}.json`), `${JSON.stringify(record, null, 2)}\n`);
}

/** Runs what was chosen; outside a quick run each one's results are written as soon as it ends, and the report in the end. */
async function measure(
  chosen: readonly Scenario[],
  options: Readonly<Record<string, string>>,
  flags: ReadonlySet<string>,
): Promise<void> {
  const [quick, json] = [flags.has("quick"), flags.has("json")];
  const results: Record<string, ScenarioRecord> = {};
  const failures = await runAll(chosen, {
    quick,
    options,
    log: (line) => void process.stderr.write(`${line}\n`),
    onRecord: (scenario, record) => {
      results[scenario.name] = record;
      if (!json) print(record.figures);
      if (!quick) keep(scenario, record, options);
    },
  });
  if (json)
    process.stdout.write(
      `${JSON.stringify({ quick, results, failures: Object.fromEntries(failures) }, null, 2)}\n`,
    );
  if (!quick) writeReport(packageRoot());
  if (failures.size === 0) return;
  process.stderr.write(
    `${failures.size} of ${chosen.length} scenarios failed: ${[...failures.keys()].join(", ")}.\n`,
  );
  // A scenario that failed may have left a server running, which would keep this process from ending.
  process.exit(1);
}

// Ends by its exit handlers, so that servers and scratch folders go with it.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
const { chosen, flags, options } = readArguments();
if (flags.has("list")) {
  for (const { name, about } of chosen) process.stdout.write(`${name.padEnd(16)} ${about}\n`);
} else if (flags.has("report")) {
  for (const file of writeReport(packageRoot())) process.stdout.write(`${file}\n`);
} else {
  await measure(chosen, options, flags);
}
