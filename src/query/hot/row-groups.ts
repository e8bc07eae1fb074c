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

/**
 * Where the values of a text column lie in a copy's rows, which are numbered by groups. The engine's own notes on text stop after eight bytes, which
 * keys of resources have in common.
 */
export class RowGroups {
  readonly column: string;
  private readonly ends: readonly (readonly [least: Buffer, greatest: Buffer] | undefined)[];

  constructor(column: string, ends: readonly GroupEnds[]) {
    this.column = column;
    this.ends = ends.map(({ least, greatest }) =>
      least === null || greatest === null ? undefined : [Buffer.from(least), Buffer.from(greatest)],
    );
  }

  /** The groups outside of which no row lies in the range; undefined when none does at all. */
  span({ from, to }: KeyRange): GroupSpan | undefined {
    const low = from === undefined ? undefined : Buffer.from(from);
    const high = to === undefined ? undefined : Buffer.from(to);
    let first: number | undefined;
    let last = -1;
    for (const [index, ends] of this.ends.entries()) {
      if (ends === undefined) continue;
      const [least, greatest] = ends;
      if (low !== undefined && Buffer.compare(greatest, low) < 0) continue;
      if (high !== undefined && Buffer.compare(least, high) > 0) continue;
      first ??= index;
      last = index;
    }
    return first === undefined ? undefined : { first, last };
  }
}
