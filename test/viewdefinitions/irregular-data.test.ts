import { describe, expect, test } from "vitest";
import { evaluateView } from "../oracle/evaluate.js";
import { parseLosslessJson } from "../oracle/json.js";
import { hasRealData, realResources } from "./real-data.js";
import { isOneRowPerResource, shippedViews } from "./shipped.js";

describe.skipIf(!hasRealData()).each(["au-core", "edge-cases"])("irregular resources of %s", (set) => {
  test.each(shippedViews())(
    "$name gives each its rows and never meets two values in a column",
    ({ view }) => {
      const resources = realResources(set, view.resource).map(
        (text) => parseLosslessJson(text) as Record<string, unknown>,
      );
      for (const resource of resources) {
        const { rows } = evaluateView(view, [resource]);
        if (!isOneRowPerResource(view)) continue;
        if (view.where === undefined) expect(rows).toHaveLength(1);
        else expect(rows.length).toBeLessThanOrEqual(1);
      }
    },
  );
});
