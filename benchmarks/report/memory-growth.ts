import type { Figure } from "../scenario.js";
import { number, table } from "./format.js";
import { figureAt, type Result } from "./results.js";
import { sizesOf } from "./unit-costs.js";

const STEPS = ["ingest", "views", "increment", "compaction", "reads"] as const;
const GIB = 1024 ** 3;

/** Peak memory of one step of a lake's life, in MB, at every size that was measured. */
interface Peaks {
  readonly step: string;
  readonly values: readonly { readonly resources: number; readonly megabytes: number }[];
}

function peaksOf(result: Result): Peaks[] {
  const at = (size: string, what: string): Figure | undefined => figureAt(result, size, "lake", what);
  return STEPS.map((step) => ({
    step,
    values: sizesOf(result).flatMap((size) => {
      const [resources, peak] = [at(size, "resources"), at(size, `${step}, peak memory`)];
      return resources === undefined || peak === undefined
        ? []
        : [{ resources: resources.value, megabytes: peak.value }];
    }),
  })).filter(({ values }) => values.length > 0);
}

/** How many times as large the last value is as the first. */
function growth({ values }: Peaks): number {
  return values.at(-1)!.megabytes / values[0]!.megabytes;
}

/** Which step took most memory at the largest size, and how memory grew with the sizes. */
export function memorySection(result: Result): string[] {
  const peaks = peaksOf(result);
  if (peaks.length === 0) return [];
  const sizes = peaks[0]!.values.map(({ resources }) => resources);
  const most = [...peaks].sort((a, b) => b.values.at(-1)!.megabytes - a.values.at(-1)!.megabytes)[0]!;
  const live = sizesOf(result).map(
    (size) => figureAt(result, size, "lake", "live changes in merged reads")?.value ?? Number.NaN,
  );
  return [
    `Peak memory, most of it at ${number(sizes.at(-1)!)} resources: ${number(most.values.at(-1)!.megabytes)} MB, for ${most.step}. While resources grew ${number(sizes.at(-1)! / sizes[0]!)}×, memory grew:`,
    table(
      ["resources", ...sizes.map(number), "growth"],
      peaks.map((one) => [
        one.step,
        ...one.values.map(({ megabytes }) => `${number(megabytes)} MB`),
        `${number(growth(one))}×`,
      ]),
    ),
    `Reads hold live changes in memory, too: ${live.map(number).join(", ")}.`,
  ];
}

/** A bound on the number of resources, and how it was reckoned. */
export interface MemoryLimit {
  readonly what: string;
  readonly formula: string;
  readonly resources: number;
}

/**
 * Where memory ends when each step's peak goes on growing as it did between the two largest sizes, as a power of the number of resources:
 * of all steps the one that ends first. Undefined where nothing grew, or only one size was measured.
 */
export function memoryLimit(result: Result): MemoryLimit | undefined {
  const { memoryGiB } = result.machine;
  if (memoryGiB === undefined) return undefined;
  const limits = peaksOf(result).flatMap(({ step, values }): MemoryLimit[] => {
    const [before, last] = [values.at(-2), values.at(-1)!];
    if (before === undefined || last.megabytes <= before.megabytes) return [];
    const times = last.megabytes / before.megabytes;
    const power = Math.log(times) / Math.log(last.resources / before.resources);
    return [
      {
        what: `the memory of ${step} within ${memoryGiB} GiB`,
        formula: `${number(last.megabytes)} MB at ${number(last.resources)}, growing on by ${number(times)}× for ${number(last.resources / before.resources)}× as between the two largest sizes`,
        resources: last.resources * ((memoryGiB * GIB) / (last.megabytes * 1e6)) ** (1 / power),
      },
    ];
  });
  return limits.sort((a, b) => a.resources - b.resources)[0];
}
