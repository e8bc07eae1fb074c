import type { KeyRange } from "./catalog.js";
import type { Condition } from "./question/condition.js";

/** Less than 0 when `a` comes before `b` in the order of their bytes in UTF-8, which is the engine's; 0 when they are equal. */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** The values that lie in a range and between further ends. */
export function narrowed(range: KeyRange, ends: Pick<KeyRange, "from" | "to">): KeyRange {
  const pick = (one: string | undefined, other: string | undefined, sign: 1 | -1): string | undefined => {
    if (one === undefined || other === undefined) return one ?? other;
    return compareBytes(one, other) * sign > 0 ? one : other;
  };
  return {
    column: range.column,
    from: pick(range.from, ends.from, 1),
    to: pick(range.to, ends.to, -1),
  };
}

function endsOf(filter: Condition): Pick<KeyRange, "from" | "to"> {
  switch (filter.operator) {
    case "eq":
      return { from: filter.value, to: filter.value };
    case "gt":
    case "gte":
      return { from: filter.value };
    case "lt":
    case "lte":
      return { to: filter.value };
    case "in": {
      const sorted = [...filter.values].sort(compareBytes);
      return { from: sorted[0], to: sorted.at(-1) };
    }
    default:
      return {};
  }
}

/** Where the values of a text column lie in rows that meet all conditions; undefined where these leave both ends open. */
export function rangeOf(column: string, filters: readonly Condition[]): KeyRange | undefined {
  let range: KeyRange = { column };
  for (const filter of filters) {
    if ("column" in filter && filter.column === column) range = narrowed(range, endsOf(filter));
  }
  return range.from === undefined && range.to === undefined ? undefined : range;
}
