import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compileView } from "#compiler";
import { Database } from "#duckdb";
import { viewRunner } from "#query";
import { compareRows, type RunView } from "../../src/compiler/conformance/index.js";
import { casesOf } from "./cases.js";
import { columnsOf, shippedViews, tagOf } from "./shipped.js";
import { asTyped } from "./typed.js";

/** SQL types of FHIR types that are not text. */
const sqlTypes = new Map([
  ["boolean", "BOOLEAN"],
  ["integer", "INTEGER"],
]);

let database: Database;
let run: RunView;
beforeAll(async () => {
  database = await Database.open();
  run = viewRunner(database);
});
afterAll(() => {
  database.close();
});

describe.each(shippedViews())("$name, compiled", (shipped) => {
  const cases = casesOf(shipped);

  test("compiles without warnings, to the types that its columns ask for", () => {
    const compiled = compileView(shipped.view, { strict: true });
    expect(compiled.warnings).toEqual([]);
    const asked = columnsOf(shipped.view).map((column) => [
      column.name,
      tagOf(column, "ansi/type") ?? sqlTypes.get(column.type) ?? "VARCHAR",
    ]);
    expect(compiled.columns.map((column) => [column.name, column.sqlType])).toEqual(asked);
  });

  test.each(cases.map((one) => [one.test.title, one] as const))("%s", async (_title, one) => {
    const { columns, rows } = await run(one.test.view, one.resources);
    if (one.test.expectColumns !== undefined) expect(columns).toEqual(one.test.expectColumns);
    const difference = compareRows(
      asTyped(shipped.view, one.test.expect!),
      asTyped(shipped.view, rows),
      "value",
    );
    expect(difference).toEqual({ missing: [], unexpected: [] });
  });
});
