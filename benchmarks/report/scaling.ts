import { warning } from "./circumstances.js";
import { number, table } from "./format.js";
import { memoryLimit, memorySection } from "./memory-growth.js";
import type { Result } from "./results.js";
import { type LoadCosts, loadCosts, type UnitCosts, unitCosts } from "./unit-costs.js";

/** Resources of a person in the synthetic population with its full density. */
const PER_PATIENT = 335;
const CHANGED_A_NIGHT = 0.01;
const PATIENTS = [100_000, 1_000_000, 10_000_000] as const;

function time(seconds: number): string {
  if (seconds < 90) return `${number(seconds)} s`;
  if (seconds < 5400) return `${number(seconds / 60)} min`;
  return seconds < 172_800 ? `${number(seconds / 3600)} h` : `${number(seconds / 86_400)} days`;
}

function micro(seconds: number): string {
  return `${number(seconds * 1e6)} µs`;
}

function unitTable(costs: UnitCosts, load: LoadCosts | undefined): string {
  return table(
    ["of one resource", "", "how"],
    [
      ["ingest", micro(costs.ingest), "from files; check, land, commit: time / resources"],
      ["views", micro(costs.views), "all shipped views: time / resources"],
      ...(load === undefined ? [] : [loadRow(load)]),
      [
        "increment",
        micro(costs.increment),
        "from files; check, land, commit, views: time / changed resources; small nights carry fixed costs",
      ],
      ["compaction", micro(costs.compaction), "everything rewritten: time / resources"],
      [
        "disk",
        `${number(costs.bytes)} B`,
        "bytes of the resources' files / resources; views and kept snapshots come on top",
      ],
      ["exact count", micro(costs.count), "time / resources: a scan grows in proportion"],
    ],
  );
}

function loadRow({ resources, wall, serverCpu }: LoadCosts): string[] {
  const cpu = serverCpu === undefined ? "" : `; ${micro(serverCpu)} of the server's CPU`;
  return [
    "load from a FHIR server",
    micro(wall),
    `[direct-fhir](benchmarks.md#direct-fhir): bulk export, ingest and views of ${number(resources)} resources, the server on the same cores: time / resources${cpu}`,
  ];
}

function extrapolationTable(costs: UnitCosts, load: LoadCosts | undefined): string {
  const columns = PATIENTS.map((patients) => patients * PER_PATIENT);
  const row = (name: string, formula: string, value: (resources: number) => string): string[] => [
    name,
    formula,
    ...columns.map(value),
  ];
  return table(
    ["", "arithmetic", ...PATIENTS.map((patients) => `${patients.toLocaleString("en-US")} patients`)],
    [
      row("resources", `patients × ${PER_PATIENT}`, (n) => `${number(n / 1e6)} million`),
      row("first load with all views, from files", "resources × (ingest + views)", (n) =>
        time(n * (costs.ingest + costs.views)),
      ),
      ...(load === undefined
        ? []
        : [
            row("first load with all views, from a FHIR server", "resources × load from a FHIR server", (n) =>
              time(n * load.wall),
            ),
          ]),
      row("a night of 1 %, from files", "resources × 0.01 × increment", (n) =>
        time(n * CHANGED_A_NIGHT * costs.increment),
      ),
      row("one whole compaction", "resources × compaction", (n) => time(n * costs.compaction)),
      row("disk, resources", "resources × disk", (n) => `${number((n * costs.bytes) / 1e9)} GB`),
      row("an exact count", "resources × exact count", (n) => time(n * costs.count)),
    ],
  );
}

function limitTable(costs: UnitCosts, load: LoadCosts | undefined, result: Result): string {
  const memory = memoryLimit(result);
  const limits: readonly (readonly [string, string, number])[] = [
    [
      "a night of 1 % from files within 4 hours",
      "14,400 s / (0.01 × increment)",
      14_400 / (CHANGED_A_NIGHT * costs.increment),
    ],
    ["one whole compaction within 4 hours", "14,400 s / compaction", 14_400 / costs.compaction],
    [
      "the first load from files within a weekend",
      "172,800 s / (ingest + views)",
      172_800 / (costs.ingest + costs.views),
    ],
    ...(load === undefined
      ? []
      : [
          [
            "the first load from a FHIR server within a weekend",
            "172,800 s / load from a FHIR server",
            172_800 / load.wall,
          ] as const,
        ]),
    ["1 TB of disk for two copies of the resources", "10¹² B / (2 × disk)", 1e12 / (2 * costs.bytes)],
    ["an exact count within 10 s", "10 s / exact count", 10 / costs.count],
    ...(memory === undefined ? [] : [[memory.what, memory.formula, memory.resources] as const]),
  ];
  const rows = [...limits]
    .sort((a, b) => a[2] - b[2])
    .map(([what, formula, resources]) => [
      what,
      formula,
      `${number(resources / 1e6)} million`,
      `${number(resources / PER_PATIENT / 1e6)} million`,
    ]);
  return table(["one machine like this keeps", "arithmetic", "up to so many resources", "patients"], rows);
}

/** How well proportion from one size told the costs of the next larger one. */
function predictionTable(before: UnitCosts, after: UnitCosts): string {
  const row = (
    name: string,
    amount: number,
    of: (costs: UnitCosts) => number,
    show: (value: number) => string,
  ): string[] => [
    name,
    show(of(before) * amount),
    show(of(after) * amount),
    `${number(of(after) / of(before))}×`,
  ];
  const megabytes = (bytes: number): string => `${number(bytes / 1e6)} MB`;
  return table(
    [
      `${number(after.resources)} resources from ${number(before.resources)}`,
      "in proportion",
      "measured",
      "measured / in proportion",
    ],
    [
      row("ingest", after.resources, ({ ingest }) => ingest, time),
      row("views", after.resources, ({ views }) => views, time),
      row("increment", after.changed, ({ increment }) => increment, time),
      row("compaction", after.resources, ({ compaction }) => compaction, time),
      row("disk", after.resources, ({ bytes }) => bytes, megabytes),
      row("an exact count", after.resources, ({ count }) => count * 1000, milliseconds),
      [
        "a page of 100 rows",
        "does not grow",
        milliseconds(after.page),
        `${number(after.page / before.page)}× of ${milliseconds(before.page)}`,
      ],
    ],
  );
}

function milliseconds(value: number): string {
  return `${number(value)} ms`;
}

/** The figures of docs/scaling.md, from the results of `scale` and, for loading from a FHIR server, of `direct-fhir`. */
export function scalingFigures(result: Result | undefined, direct: Result | undefined): string {
  const all = result === undefined ? [] : unitCosts(result);
  const [before, costs] = [all.at(-2), all.at(-1)];
  if (result === undefined || costs === undefined) return "Not measured yet: `npm run bench -- scale`.";
  const load = loadCosts(direct);
  const once = costs.isOnce ? ", one life that was not repeated" : "";
  return [
    `Measured at ${costs.resources.toLocaleString("en-US")} resources${once} ([benchmarks.md](benchmarks.md#scale)), ${String(result.machine.cores)} cores; a page of 100 rows ${number(costs.page)} ms:`,
    warning(result),
    unitTable(costs, load),
    ...memorySection(result),
    ...(before === undefined
      ? []
      : [
          "How well proportion held between the two largest sizes (above 1×: it costs more than in proportion):",
          predictionTable(before, costs),
        ]),
    "In proportion:",
    extrapolationTable(costs, load),
    "Where one machine ends, soonest first:",
    limitTable(costs, load, result),
  ]
    .filter((block) => block !== "")
    .join("\n\n");
}
