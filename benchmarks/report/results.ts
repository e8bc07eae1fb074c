import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { Machine } from "../machine.js";
import type { Figure } from "../scenario.js";

/** What `benchmarks/results/<scenario>.json` holds. */
export interface Result {
  readonly machine: Partial<Machine>;
  readonly options?: Readonly<Record<string, string>>;
  readonly figures: readonly Figure[];
  readonly versions?: Readonly<Record<string, string>>;
  readonly notes?: readonly string[];
}

/** Results by scenario, as they lie in a folder. */
export function readResults(folder: string): ReadonlyMap<string, Result> {
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".json")) : [];
  return new Map(
    names.map((name) => [
      name.slice(0, -".json".length),
      JSON.parse(readFileSync(path.join(folder, name), "utf8")) as Result,
    ]),
  );
}

/** The figure of a subject, a side and what was measured. */
export function figureAt(
  { figures }: Result,
  subject: string,
  side: string,
  what: string,
): Figure | undefined {
  return figures.find(({ at }) => at?.subject === subject && at.side === side && at.what === what);
}

/** What figures stand for, each once, in the order of their first one. */
export function distinctOf(figures: readonly Figure[], of: keyof NonNullable<Figure["at"]>): string[] {
  return [...new Set(figures.flatMap(({ at }) => (at === undefined ? [] : [at[of]])))];
}
