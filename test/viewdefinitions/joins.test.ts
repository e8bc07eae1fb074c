import { beforeAll, describe, expect, test } from "vitest";
import { evaluateView, type OracleRow } from "../oracle/evaluate.js";
import { pruneView } from "./cases.js";
import { hasRealData, realResources } from "./real-data.js";
import { columnsOf, isOneRowPerResource, shippedViews } from "./shipped.js";

const views = shippedViews();
const keysOf = (view: (typeof views)[number]["view"]): string[] =>
  columnsOf(view)
    .map((column) => column.name)
    .filter((name) => name.endsWith("_key"));

/** The key columns of every view over the small Synthea set, in which every reference resolves. */
function keyRows(): Map<string, readonly OracleRow[]> {
  const resources = new Map<string, Record<string, unknown>[]>();
  const load = (type: string): Record<string, unknown>[] => {
    const known = resources.get(type);
    if (known !== undefined) return known;
    const loaded = realResources("synthea-small", type).map(
      (text) => JSON.parse(text) as Record<string, unknown>,
    );
    resources.set(type, loaded);
    return loaded;
  };
  return new Map(
    views.map(({ name, view }) => [
      name,
      evaluateView(pruneView(view, keysOf(view)), load(view.resource)).rows,
    ]),
  );
}

describe.skipIf(!hasRealData())("keys over the small Synthea set", () => {
  let rows: Map<string, readonly OracleRow[]>;
  let ownKeys: ReadonlySet<string>;
  beforeAll(() => {
    rows = keyRows();
    ownKeys = new Set(views.flatMap(({ name, view }) => [...valuesOf(name, columnsOf(view)[0]!.name)]));
  });
  const valuesOf = (view: string, column: string): Set<string> =>
    new Set(rows.get(view)!.flatMap((row) => (row[column] === null ? [] : [row[column] as string])));
  test.each(views)("every patient_key of $name is in patient_demographics", ({ name, view }) => {
    if (!keysOf(view).includes("patient_key")) return;
    const patients = valuesOf("patient_demographics", "patient_key");
    expect(patients.size).toBe(100);
    expect([...valuesOf(name, "patient_key")].filter((key) => !patients.has(key))).toEqual([]);
    expect(rows.get(name)!.filter((row) => row["patient_key"] === null)).toEqual([]);
  });

  test.each(views)("every other key of $name is the own key of a row of some view", ({ name, view }) => {
    for (const column of keysOf(view)) {
      expect(
        [...valuesOf(name, column)].filter((key) => !ownKeys.has(key)),
        column,
      ).toEqual([]);
    }
  });

  test.each(views.filter(({ view }) => isOneRowPerResource(view)))("$name has no key twice", (shipped) => {
    const key = columnsOf(shipped.view)[0]!.name;
    expect(valuesOf(shipped.name, key).size).toBe(rows.get(shipped.name)!.length);
  });
});
