import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Database } from "#duckdb";
import { viewRunner } from "#query";
import { compareRows, type RunView } from "../../src/compiler/conformance/index.js";
import { oracleRows } from "./oracle-rows.js";
import { hasRealData, realResources } from "./real-data.js";
import { isOneRowPerResource, shippedViews } from "./shipped.js";
import { asTyped } from "./typed.js";

/** Not FHIR: one object stands where the definition asks for a list, or `_x` beside an element that is not primitive. */
const illegal = [/"context":\{"encounter":\{/, /"answer":\{/, /"_address":/];

let database: Database;
let run: RunView;
beforeAll(async () => {
  database = await Database.open();
  run = viewRunner(database);
});
afterAll(() => {
  database.close();
});

describe.skipIf(!hasRealData()).each(["au-core", "edge-cases"])("irregular resources of %s", (set) => {
  const legal = (type: string): string[] =>
    realResources(set, type).filter((text) => !illegal.some((sign) => sign.test(text)));

  test.each(shippedViews())("$name gives each resource its rows, whole", ({ view }) => {
    for (const resource of legal(view.resource)) {
      const { rows } = oracleRows(view, [resource]);
      if (!isOneRowPerResource(view)) continue;
      if (view.where === undefined) expect(rows).toHaveLength(1);
      else expect(rows.length).toBeLessThanOrEqual(1);
    }
  });

  test.each(shippedViews())("$name gives the same rows compiled as interpreted", async ({ view }) => {
    const resources = legal(view.resource);
    const compiled = asTyped(view, (await run(view, resources)).rows);
    const interpreted = asTyped(view, oracleRows(view, resources).rows);
    expect(compareRows(interpreted, compiled, "value")).toEqual({ missing: [], unexpected: [] });
  });
});
