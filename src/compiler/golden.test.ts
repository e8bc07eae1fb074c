import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { compileView } from "./compile.js";

/**
 * Each `<feature>.view.json` beside its `<feature>.txt`, which holds the plan and the SQL. A change of either is to be read before it is
 * accepted: `UPDATE_GOLDEN=1 npx vitest run src/compiler/golden.test.ts` writes the files anew.
 */
const folder = path.join(import.meta.dirname, "golden");
const features = readdirSync(folder)
  .filter((name) => name.endsWith(".view.json"))
  .map((name) => name.slice(0, -".view.json".length));

describe("plans and SQL", () => {
  it.each(features)("of %s stay as they were read", (feature) => {
    const view: unknown = JSON.parse(readFileSync(path.join(folder, `${feature}.view.json`), "utf8"));
    const file = path.join(folder, `${feature}.txt`);
    const text = compileView(view).explain();
    if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(file, text);
    expect(text).toBe(readFileSync(file, "utf8"));
  });
});
