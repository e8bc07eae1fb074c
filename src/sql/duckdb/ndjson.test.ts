import { expect, test } from "vitest";
import { decimalListNames, loadDefinitions } from "#fhir";
import { DECIMAL_LISTS } from "./ndjson.js";

test("every name under which FHIR has lists of decimals is known", () => {
  const names = (["4.0.1", "4.3.0", "5.0.0"] as const).flatMap((version) =>
    decimalListNames(loadDefinitions(version)),
  );
  expect([...new Set(names)].sort()).toEqual([...DECIMAL_LISTS]);
});
