import type { Figure } from "../scenario.js";

const SURE = 0.95;

/** What the two ends beside a figure are: a 95 % rank interval, only the least and greatest value, or nothing at all. */
export type Ends = "rank interval" | "least to greatest" | "none";

/** The ends of a figure. What a result does not tell is taken for the weaker claim. */
export function endsOf({ low, high, min, max, coverage = 0, repeats }: Figure): Ends {
  if (repeats === 1 || (low ?? min) === undefined || (high ?? max) === undefined) return "none";
  return coverage >= SURE ? "rank interval" : "least to greatest";
}

/** What a figure is and what its ends are: `median of 7; rank interval`, `p95 of 200 requests; least to greatest`, `single`. */
export function basisOf(figure: Figure): string {
  const ends = endsOf(figure);
  const { repeats = 1 } = figure;
  const what = figure.basis ?? (repeats > 1 ? `median of ${repeats}` : undefined);
  if (ends === "none") return what ?? "single";
  return what === undefined ? ends : `${what}; ${ends}`;
}

function repeatsOf(figures: readonly Figure[]): string {
  const counts = figures.flatMap(({ repeats }) => (repeats === undefined ? [] : [repeats]));
  if (counts.length === 0) return "repeats";
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return `${least === most ? "" : `${least} to `}${most} repeats`;
}

/** A sentence that tells what stands in parentheses behind these figures; empty where nothing does. */
export function parentheses(figures: readonly Figure[]): string {
  const of = (ends: Ends): Figure[] => figures.filter((figure) => endsOf(figure) === ends);
  const [sure, range, none] = [of("rank interval"), of("least to greatest"), of("none")];
  const parts = [
    sure.length === 0 ? "" : `the 95 % rank interval of the median of ${repeatsOf(sure)}`,
    range.length === 0 ? "" : `the least and the greatest of ${repeatsOf(range)}`,
  ].filter((part) => part !== "");
  if (parts.length === 0) return "";
  const rest = none.length === 0 ? "" : "; without them: single values";
  return `In parentheses: ${parts.join(", or ")}${rest}.`;
}

/** What the whiskers of these figures are, for the title of a plot. */
export function whiskers(figures: readonly (Figure | undefined)[]): string {
  const there = figures.filter((figure) => figure !== undefined).map(endsOf);
  if (!there.includes("rank interval")) return "least to greatest";
  return there.includes("least to greatest") ? "95 % interval, or least to greatest" : "95 % interval";
}
