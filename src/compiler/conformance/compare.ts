import { canonicalNumber, ExactNumber, type ExactObject, type ExactValue, formatExactJson } from "#kernel";

/** How numbers are compared: by value (`1.0` is `1`, as in the official suite) or by their digits as written. */
export type NumberComparison = "value" | "text";

/** A text that two values share exactly when they are equal; objects by member name, arrays in order. */
function canonical(value: ExactValue, numbers: NumberComparison): string {
  if (value instanceof ExactNumber) return numbers === "value" ? canonicalNumber(value.text) : value.text;
  if (Array.isArray(value)) {
    return `[${(value as readonly ExactValue[]).map((item) => canonical(item, numbers)).join(",")}]`;
  }
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([name, member]) => `${JSON.stringify(name)}:${canonical(member, numbers)}`,
  );
  return `{${members.sort().join(",")}}`;
}

/** Rows that stand on one side only. Both empty: the bags are equal. */
export interface RowDifference {
  readonly missing: readonly ExactObject[];
  readonly unexpected: readonly ExactObject[];
}

/** Compares two lists of rows as bags: order does not matter, the number of equal rows does. */
export function compareRows(
  expected: readonly ExactObject[],
  actual: readonly ExactObject[],
  numbers: NumberComparison = "value",
): RowDifference {
  const left = new Map<string, ExactObject[]>();
  for (const row of actual) {
    const key = canonical(row, numbers);
    const same = left.get(key);
    if (same === undefined) left.set(key, [row]);
    else same.push(row);
  }
  const missing = expected.filter((row) => left.get(canonical(row, numbers))?.pop() === undefined);
  return { missing, unexpected: [...left.values()].flat() };
}

/** One sentence on a difference, with at most one row of each side. */
export function describeDifference(difference: RowDifference): string {
  const { missing, unexpected } = difference;
  const parts = [
    missing.length === 0
      ? ""
      : `${missing.length} expected rows are missing, such as ${formatExactJson(missing[0]!)}`,
    unexpected.length === 0
      ? ""
      : `${unexpected.length} rows were not expected, such as ${formatExactJson(unexpected[0]!)}`,
  ];
  return `${parts.filter((part) => part !== "").join("; ")}.`;
}
