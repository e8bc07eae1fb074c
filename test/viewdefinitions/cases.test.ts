import { describe, expect, test } from "vitest";
import { compareRows } from "../../src/compiler/conformance/index.js";
import { casesOf } from "./cases.js";
import { oracleRows } from "./oracle-rows.js";
import { columnsOf, isOneRowPerResource, shippedViews } from "./shipped.js";

describe.each(shippedViews())("$name", (shipped) => {
  const cases = casesOf(shipped);

  test("has a case of every column, and a case without rows", () => {
    const everyColumn = columnsOf(shipped.view).map((column) => column.name);
    expect(cases[0]!.test.expectColumns).toEqual(everyColumn);
    expect(cases.some(({ test }) => test.expect?.length === 0)).toBe(true);
    expect(new Set(cases.map(({ test }) => test.title)).size).toBe(cases.length);
  });

  test.each(cases.map((one) => [one.test.title, one] as const))("%s", (_title, one) => {
    const { columns, rows } = oracleRows(one.test.view, one.resources);
    if (one.test.expectColumns !== undefined) expect(columns).toEqual(one.test.expectColumns);
    expect(compareRows(one.test.expect!, rows, "value")).toEqual({ missing: [], unexpected: [] });
    const ofType = one.resources.filter(
      (text) => (JSON.parse(text) as { resourceType: string }).resourceType === shipped.view.resource,
    );
    if (isOneRowPerResource(shipped.view)) expect(rows.length).toBeLessThanOrEqual(ofType.length);
    if (/^One row per resource\. /.test(shipped.view.description)) expect(rows.length).toBe(ofType.length);
  });
});
