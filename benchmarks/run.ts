import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { packageRoot } from "#kernel";
import type { Figure, Scenario } from "./scenario.js";
import { bulkLoadScenario } from "./scenarios/bulk-load.js";
import { ingestScenario } from "./scenarios/ingest.js";
import { liveLatencyScenario } from "./scenarios/live-latency.js";
import { liveSoakScenario } from "./scenarios/live-soak.js";
import { liveSustainedScenario } from "./scenarios/live-sustained.js";
import { materializeScenario } from "./scenarios/materialize.js";
import { memoryScenario } from "./scenarios/memory.js";
import { mergedReadScenario } from "./scenarios/merged-read.js";
import { nightsScenario } from "./scenarios/nights.js";
import { servingScenario } from "./scenarios/serving.js";
import { viewsScenario } from "./views/scenario.js";

const scenarios: readonly Scenario[] = [
  viewsScenario,
  ingestScenario,
  materializeScenario,
  nightsScenario,
  memoryScenario,
  bulkLoadScenario,
  liveLatencyScenario,
  liveSustainedScenario,
  liveSoakScenario,
  mergedReadScenario,
  servingScenario,
];

function machine(): Record<string, unknown> {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
    // Of the last minute, all of it: more than the cores means that others were at work, and walls are too long by that.
    load: Math.round(loadavg()[0]! * 10) / 10,
  };
}

function print(figures: readonly Figure[]): void {
  for (const f of figures) {
    const range = f.min === undefined ? "" : ` (${f.min.toPrecision(3)}..${f.max!.toPrecision(3)})`;
    const bar = f.bar === undefined ? "" : `   aim ${f.bar}`;
    process.stdout.write(
      `  ${f.name.padEnd(58)} ${f.value.toPrecision(4).padStart(9)} ${f.unit}${range}${bar}\n`,
    );
  }
}

const { values, positionals } = parseArgs({
  options: { quick: { type: "boolean" }, json: { type: "boolean" } },
  allowPositionals: true,
});
const chosen = positionals.length === 0 ? scenarios : scenarios.filter((s) => positionals.includes(s.name));
const unknown = positionals.filter((name) => !scenarios.some((s) => s.name === name));
if (unknown.length > 0) {
  process.stderr.write(
    `Unknown scenario ${unknown.join(", ")}; there are ${scenarios.map((s) => s.name).join(", ")}.\n`,
  );
  process.exit(2);
}
const results: Record<string, Figure[]> = {};
for (const scenario of chosen) {
  process.stdout.write(`${scenario.name}: ${scenario.about}\n`);
  const scratch = mkdtempSync(path.join(process.env["FHIR_LAKE_BENCH_DIR"] ?? tmpdir(), "fhir-lake-bench-"));
  try {
    const figures = await scenario.run({
      quick: values.quick === true,
      scratch,
      log: (text) => process.stderr.write(`    ${text}\n`),
    });
    results[scenario.name] = figures;
    print(figures);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
const report = { machine: machine(), quick: values.quick === true, results };
if (values.json === true) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
if (values.quick !== true) {
  const folder = path.join(packageRoot(), "benchmarks", "results");
  mkdirSync(folder, { recursive: true });
  for (const [name, figures] of Object.entries(results)) {
    writeFileSync(
      path.join(folder, `${name}.json`),
      `${JSON.stringify({ machine: machine(), figures }, null, 2)}\n`,
    );
  }
}
