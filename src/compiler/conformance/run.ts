import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { type ExactObject, isLakeError, LakeError } from "#kernel";
import { compareRows, describeDifference, type NumberComparison } from "./compare.js";
import { type ConformanceTest, parseConformanceFile } from "./test-file.js";

/** What a view gives: its columns in output order, and its rows with exact values. */
export interface ViewResult {
  readonly columns: readonly string[];
  readonly rows: readonly ExactObject[];
}

/**
 * Runs a ViewDefinition, as JSON text or parsed, over resources given as JSON text (of any types, in any order). Rejects with a LakeError when the
 * view is wrong or cannot be evaluated.
 */
export type RunView = (view: unknown, resources: readonly string[]) => Promise<ViewResult>;

export interface ConformanceOptions {
  /** Folders of test files (`*.json`); a file of a later folder takes the place of its namesake in an earlier one. */
  readonly dirs: readonly string[];
  readonly runView: RunView;
  /** Told each result as it is known, in file and test order. */
  readonly onResult?: (result: ConformanceResult) => void;
  /** Default: by value, as JSON means numbers. */
  readonly numbers?: NumberComparison;
}

/** The outcome of one test; `error` says why it failed. */
export interface ConformanceResult {
  readonly file: string;
  readonly title: string;
  readonly tags: readonly string[];
  readonly passed: boolean;
  readonly error?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** All results in file and test order, and how many there are of each kind. */
export interface ConformanceSummary {
  readonly results: readonly ConformanceResult[];
  readonly passed: number;
  readonly failed: number;
}

type Verdict = Pick<ConformanceResult, "passed" | "error" | "details">;

function failure(error: string, details?: Readonly<Record<string, unknown>>): Verdict {
  return { passed: false, error, ...(details === undefined ? {} : { details }) };
}

function checkError(error: unknown, expected: boolean): Verdict {
  if (!isLakeError(error)) return failure(`An unexpected fault: ${String(error)}`);
  const details = { code: error.code, kind: error.kind };
  // An engine error means that a wrong view was run, not that it was recognised as wrong.
  if (expected && error.kind !== "internal") return { passed: true };
  return failure(error.message, details);
}

function checkResult(test: ConformanceTest, result: ViewResult, numbers: NumberComparison): Verdict {
  if (test.expectError === true)
    return failure(`An error was expected, but ${result.rows.length} rows came.`);
  if (test.expectCount !== undefined && test.expectCount !== result.rows.length) {
    return failure(`${test.expectCount} rows were expected, but ${result.rows.length} came.`);
  }
  if (test.expectColumns !== undefined && test.expectColumns.join("\n") !== result.columns.join("\n")) {
    return failure("The columns are not the expected ones in the expected order.", {
      expected: test.expectColumns,
      actual: result.columns,
    });
  }
  if (test.expect === undefined) return { passed: true };
  const difference = compareRows(test.expect, result.rows, numbers);
  if (difference.missing.length === 0 && difference.unexpected.length === 0) return { passed: true };
  return failure(describeDifference(difference));
}

async function runTest(
  test: ConformanceTest,
  resources: readonly string[],
  options: ConformanceOptions,
): Promise<Verdict> {
  try {
    return checkResult(test, await options.runView(test.view, resources), options.numbers ?? "value");
  } catch (error) {
    return checkError(error, test.expectError === true);
  }
}

/** Test files by name, alphabetically. Throws `compiler/no-test-files` for folders without any. */
async function findFiles(dirs: readonly string[]): Promise<[string, string][]> {
  const found = new Map<string, string>();
  for (const dir of dirs) {
    let names: string[];
    try {
      names = await readdir(dir);
    } catch (error) {
      throw new LakeError(
        "not-found",
        "compiler/no-test-files",
        "The folder of test files could not be read.",
        {
          cause: error,
        },
      );
    }
    for (const name of names) if (name.endsWith(".json")) found.set(name, path.join(dir, name));
  }
  if (found.size === 0) {
    throw new LakeError("not-found", "compiler/no-test-files", "The folder holds no test files (*.json).");
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1));
}

/**
 * Runs every test of every file. A file that cannot be read counts as one failed test, so that no broken file passes
 * unseen. Throws `compiler/no-test-files` when there is nothing to run.
 */
export async function runConformance(options: ConformanceOptions): Promise<ConformanceSummary> {
  const results: ConformanceResult[] = [];
  const report = (file: string, title: string, tags: readonly string[], verdict: Verdict): void => {
    const result = { file, title, tags, ...verdict };
    results.push(result);
    options.onResult?.(result);
  };
  for (const [name, filePath] of await findFiles(options.dirs)) {
    try {
      const file = parseConformanceFile(await readFile(filePath, "utf8"), name);
      for (const test of file.tests) {
        report(name, test.title, test.tags, await runTest(test, file.resources, options));
      }
    } catch (error) {
      report(name, "(the file itself)", [], checkError(error, false));
    }
  }
  const passed = results.filter((result) => result.passed).length;
  return { results, passed, failed: results.length - passed };
}
