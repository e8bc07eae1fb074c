import { number, table } from "./format.js";
import { distinctOf, figureAt, type Result } from "./results.js";

/** Resources of a person in the synthetic population with its full density. */
const PER_PATIENT = 335;
const CHANGED_A_NIGHT = 0.01;
const PATIENTS = [100_000, 1_000_000, 10_000_000] as const;

/** What one resource costs, from the largest size that was measured. */
interface UnitCosts {
  /** Resources at that size. */
  readonly measured: number;
  readonly ingest: number;
  readonly views: number;
  /** Of a changed resource, its views with it. */
  readonly increment: number;
  readonly compaction: number;
  readonly bytes: number;
  /** An exact count that reads the column of a code, merged with live changes. */
  readonly count: number;
  readonly page: number;
  readonly memory: number;
}

function unitCosts(result: Result): UnitCosts | undefined {
  const sizes = distinctOf(result.figures, "subject");
  const largest = sizes.at(-1);
  if (largest === undefined) return undefined;
  const of = (what: string): number => figureAt(result, largest, "lake", what)?.value ?? Number.NaN;
  const measured = of("resources");
  return {
    measured,
    ingest: of("ingest") / measured,
    views: of("views") / measured,
    increment: of("increment") / of("changed resources of the increment"),
    compaction: of("compaction") / measured,
    bytes: of("bytes of resources in the lake") / measured,
    count: of("merged count") / 1000 / measured,
    page: of("merged page"),
    memory: Math.max(of("ingest, peak memory"), of("views, peak memory"), of("increment, peak memory")),
  };
}

function time(seconds: number): string {
  if (seconds < 90) return `${number(seconds)} s`;
  if (seconds < 5400) return `${number(seconds / 60)} min`;
  return seconds < 172_800 ? `${number(seconds / 3600)} h` : `${number(seconds / 86_400)} days`;
}

function unitTable(costs: UnitCosts): string {
  const micro = (seconds: number): string => `${number(seconds * 1e6)} µs`;
  return table(
    ["of one resource", "", "how"],
    [
      ["ingest", micro(costs.ingest), "check, land, commit: time / resources"],
      ["views", micro(costs.views), "all shipped views: time / resources"],
      [
        "increment",
        micro(costs.increment),
        "check, land, commit, views: time / changed resources; small nights carry fixed costs",
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

function extrapolationTable(costs: UnitCosts): string {
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
      row("first load with all views", "resources × (ingest + views)", (n) =>
        time(n * (costs.ingest + costs.views)),
      ),
      row("a night of 1 %", "resources × 0.01 × increment", (n) =>
        time(n * CHANGED_A_NIGHT * costs.increment),
      ),
      row("one whole compaction", "resources × compaction", (n) => time(n * costs.compaction)),
      row("disk, resources", "resources × disk", (n) => `${number((n * costs.bytes) / 1e9)} GB`),
      row("an exact count", "resources × exact count", (n) => time(n * costs.count)),
    ],
  );
}

function limitTable(costs: UnitCosts): string {
  const limits: readonly (readonly [string, string, number])[] = [
    [
      "a night of 1 % within 4 hours",
      "14,400 s / (0.01 × increment)",
      14_400 / (CHANGED_A_NIGHT * costs.increment),
    ],
    [
      "the first load within a weekend",
      "172,800 s / (ingest + views)",
      172_800 / (costs.ingest + costs.views),
    ],
    ["1 TB of disk for two copies of the resources", "10¹² B / (2 × disk)", 1e12 / (2 * costs.bytes)],
    ["an exact count within 10 s", "10 s / exact count", 10 / costs.count],
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

/** The figures of docs/scaling.md. */
export function scalingFigures(result: Result | undefined): string {
  const costs = result === undefined ? undefined : unitCosts(result);
  if (costs === undefined) return "Not measured yet: `npm run bench -- scale`.";
  return [
    `Measured at ${costs.measured.toLocaleString("en-US")} resources ([benchmarks.md](benchmarks.md#scale)), ${String(result!.machine.cores)} cores; peak memory ${number(costs.memory)} MB, a page of 100 rows ${number(costs.page)} ms:`,
    unitTable(costs),
    "In proportion:",
    extrapolationTable(costs),
    "Where one machine ends, soonest first:",
    limitTable(costs),
  ].join("\n\n");
}
