import type { KeyRange } from "../catalog.js";

/** The least and the greatest value of a column in a group of rows; null where all of them are NULL. */
export interface GroupEnds {
  readonly least: string | null;
  readonly greatest: string | null;
}

/** Groups that follow each other, both included. */
export interface GroupSpan {
  readonly first: number;
  readonly last: number;
}

interface Group {
  readonly index: number;
  readonly least: Buffer;
  readonly greatest: Buffer;
}

/** How many of the first ones meet a condition that none meets after one that does not. */
function countWhile<T>(sorted: readonly T[], meets: (one: T) => boolean): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (meets(sorted[middle]!)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Where the values of a text column lie in a copy's rows, which are numbered by groups of `rows` each, the last one of fewer. The engine's own notes
 * on text stop after eight bytes, which keys of resources have in common.
 */
export class RowGroups {
  readonly column: string;
  private readonly rows: number;
  /** Without those that have no value. */
  private readonly groups: readonly Group[];
  /** True when each group's values follow those of the one before, NULL last. */
  private readonly sorted: boolean;

  constructor(column: string, ends: readonly GroupEnds[], rows: number) {
    this.column = column;
    this.rows = rows;
    this.groups = ends.flatMap(({ least, greatest }, index) =>
      least === null || greatest === null
        ? []
        : [{ index, least: Buffer.from(least), greatest: Buffer.from(greatest) }],
    );
    this.sorted = this.groups.every(({ index, least }, i) => {
      const before = this.groups[i - 1];
      return index === i && (before === undefined || Buffer.compare(before.greatest, least) <= 0);
    });
  }

  /** The groups outside of which no row lies in the range; undefined when none does at all. */
  span({ from, to }: KeyRange): GroupSpan | undefined {
    const low = from === undefined ? undefined : Buffer.from(from);
    const high = to === undefined ? undefined : Buffer.from(to);
    const isBefore = ({ greatest }: Group): boolean => low !== undefined && Buffer.compare(greatest, low) < 0;
    const isBehind = ({ least }: Group): boolean => high !== undefined && Buffer.compare(least, high) > 0;
    const { groups } = this;
    const within = this.sorted
      ? groups.slice(
          countWhile(groups, isBefore),
          countWhile(groups, (group) => !isBehind(group)),
        )
      : groups.filter((group) => !isBefore(group) && !isBehind(group));
    const [first, last] = [within[0], within.at(-1)];
    return first === undefined || last === undefined ? undefined : { first: first.index, last: last.index };
  }

  /**
   * A value up to which at least `rows` rows lie that come after the value `from`, or counted from the first row: the greatest of the first group with which
   * there are surely so many. Undefined where the rows are not sorted, or only the last group would make them so many.
   */
  reach(from: string | undefined, rows: number): string | undefined {
    if (!this.sorted) return undefined;
    const low = from === undefined ? undefined : Buffer.from(from);
    // Of rows that have the first value itself any number may be left out.
    const whole =
      low === undefined ? 0 : countWhile(this.groups, ({ least }) => Buffer.compare(least, low) <= 0);
    const last = whole + Math.ceil(rows / this.rows) - 1;
    // The last group has fewer rows than the others, or some that are NULL.
    return last + 1 < this.groups.length ? this.groups[last]?.greatest.toString() : undefined;
  }
}
