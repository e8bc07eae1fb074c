import { readFileSync } from "node:fs";
import path from "node:path";
import {
  type ConformanceTest,
  type ExactObject,
  type ExactValue,
  formatExactJson,
  parseConformanceFile,
  parseExactJson,
} from "../../src/compiler/conformance/index.js";
import type { SelectJson, ShippedView, ViewJson } from "./shipped.js";

/** One case in the official terms: a complete test and the resources it runs over, as JSON text with digits untouched. */
export interface ViewCase {
  readonly test: ConformanceTest;
  readonly resources: readonly string[];
}

function pruneSelect(select: SelectJson, columns: ReadonlySet<string>): SelectJson {
  return {
    ...select,
    ...(select.column && { column: select.column.filter((column) => columns.has(column.name)) }),
    ...(select.select && { select: select.select.map((nested) => pruneSelect(nested, columns)) }),
    ...(select.unionAll && { unionAll: select.unionAll.map((branch) => pruneSelect(branch, columns)) }),
  };
}

/** The view with only these columns. Its rows stay the same in number, since the iterations stay. */
export function pruneView(view: ViewJson, columns: readonly string[]): ViewJson {
  const kept = new Set(columns);
  return { ...view, select: view.select.map((select) => pruneSelect(select, kept)) };
}

function completeTest(
  shipped: ShippedView,
  file: ExactObject,
  test: ExactObject,
): { title: string; text: string } {
  const { columns, resources, ...official } = test;
  const view =
    columns === undefined ? shipped.view : pruneView(shipped.view, columns as unknown as readonly string[]);
  const suite: ExactValue = {
    title: String(file["title"]),
    resources: resources ?? file["resources"] ?? [],
    tests: [{ ...official, view: view as unknown as ExactValue }],
  };
  return { title: String(test["title"]), text: formatExactJson(suite) };
}

/**
 * The cases beside a shipped view. A test of a cases file may leave out `view` (the shipped view is meant), may bring
 * `resources` of its own in place of the file's, and may name `columns` to be compared (the others are pruned from the
 * view); what is left is the official format, and is read as such. Throws like `parseConformanceFile`.
 */
export function casesOf(shipped: ShippedView): ViewCase[] {
  const file = parseExactJson(readFileSync(shipped.casesPath, "utf8")) as ExactObject;
  return (file["tests"] as readonly ExactObject[]).map((test) => {
    const { title, text } = completeTest(shipped, file, test);
    const suite = parseConformanceFile(text, `${path.basename(shipped.casesPath)}: ${title}`);
    return { test: suite.tests[0]!, resources: suite.resources };
  });
}
