import type { Figure } from "../scenario.js";
import { number, table } from "./format.js";
import type { Result } from "./results.js";

const HOLDS = {
  "<=": (value: number, bound: number) => value <= bound,
  "<": (value: number, bound: number) => value < bound,
  ">=": (value: number, bound: number) => value >= bound,
  ">": (value: number, bound: number) => value > bound,
  "": (value: number, bound: number) => value === bound,
} as const;

/**
 * Whether a value keeps an aim such as `<= 2`, or `0` for exactly that.
 *
 * @throws Error for an aim that is written otherwise: one that nobody can check would never be missed.
 */
export function keepsAim(value: number, bar: string): boolean {
  const parts = /^(<=|<|>=|>|)\s*(\d+(?:\.\d+)?)\b/.exec(bar.trim());
  if (parts === null) throw new Error(`The aim '${bar}' is none: '<= 2' is one.`);
  return HOLDS[parts[1] as keyof typeof HOLDS](value, Number(parts[2]));
}

/** The figures that miss their aim, with the name of their results, and how many have one. */
export function missedAims(results: ReadonlyMap<string, Result>): {
  readonly missed: readonly (readonly [string, Figure])[];
  readonly aimed: number;
} {
  const aimed = [...results].flatMap(([name, { figures }]) =>
    figures.filter(({ bar }) => bar !== undefined).map((figure): [string, Figure] => [name, figure]),
  );
  return {
    missed: aimed.filter(([, { value, bar }]) => !keepsAim(value, bar!)),
    aimed: aimed.length,
  };
}

/** As many digits as show on which side of the aim a figure is. */
function apart({ value, bar }: Figure): string {
  const shown = number(value);
  const looksKept = keepsAim(Number(shown.replaceAll(",", "")), bar!);
  return looksKept ? String(Number(value.toPrecision(5))) : shown;
}

/** The section that lists every figure which misses its aim. */
export function missedSection(results: ReadonlyMap<string, Result>): string[] {
  const { missed, aimed } = missedAims(results);
  const share = `${missed.length === 0 ? "None" : missed.length} of the ${aimed} figures with an aim.`;
  const rows = missed.map(([name, figure]) => [
    figure.name,
    `${apart(figure)} ${figure.unit}`.trim(),
    figure.bar!,
    `[${name}](#${name})`,
  ]);
  return ["## Missed its aim", share, table(["figure", "value", "aim", "scenario"], rows)];
}
