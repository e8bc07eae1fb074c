import path from "node:path";
import { expect, test } from "vitest";
import { runConformance } from "../../src/compiler/conformance/index.js";
import { runViewInOracle } from "../oracle/run-view.js";

const cases = path.join(import.meta.dirname, "cases");

test("the oracle agrees with our own cases", async () => {
  const { results } = await runConformance({ dirs: [cases], runView: runViewInOracle });
  // The oracle evaluates: it neither types expressions nor knows columns' SQL types, and it knows R4 only.
  const judged = results.filter(
    (result) => !["validation.json", "type_tags.json", "versions.json"].includes(result.file),
  );
  expect(judged.filter((result) => !result.passed)).toEqual([]);
  expect(judged.length).toBeGreaterThan(70);
});
