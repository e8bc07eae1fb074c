import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { compareDecimals, parseDecimal } from "./decimal.js";
import { ExactDecimal } from "./engine.js";
import { evaluateView, type OracleCell, type OracleRow } from "./evaluate.js";
import { parseLosslessJson } from "./json.js";

const suite = path.join(
  process.env["FHIR_LAKE_SHARED"] ?? path.resolve(import.meta.dirname, "../../../shared"),
  "conformance/sql-on-fhir-v2",
);

interface Case {
  title: string;
  view: unknown;
  expect?: Record<string, unknown>[];
  expectCount?: number;
  expectError?: boolean;
  expectColumns?: string[];
}

function sameCell(expected: unknown, actual: OracleCell): boolean {
  if (Array.isArray(expected)) {
    return (
      Array.isArray(actual) &&
      expected.length === actual.length &&
      expected.every((e, i) => sameCell(e, actual[i]!))
    );
  }
  const digits =
    expected instanceof ExactDecimal
      ? expected.exact.text
      : typeof expected === "number"
        ? String(expected)
        : undefined;
  if (digits === undefined) return expected === actual;
  if (typeof actual !== "object" || actual === null || !("digits" in actual)) return false;
  return compareDecimals(parseDecimal(digits)!, parseDecimal(actual.digits)!) === 0;
}

function sameRows(expected: Record<string, unknown>[], actual: OracleRow[]): boolean {
  const left = [...actual];
  for (const row of expected) {
    const at = left.findIndex(
      (candidate) =>
        Object.keys(row).length === Object.keys(candidate).length &&
        Object.entries(row).every(([name, value]) => name in candidate && sameCell(value, candidate[name]!)),
    );
    if (at < 0) return false;
    left.splice(at, 1);
  }
  return left.length === 0;
}

function files(): string[] {
  if (!existsSync(suite)) return [];
  const older = readdirSync(path.join(suite, "tests")).map((name) => path.join(suite, "tests", name));
  return [...older, path.join(suite, "tests-newer/fn_reference_keys.json")];
}

describe.skipIf(!existsSync(suite))("the oracle agrees with the official SQL on FHIR suite", () => {
  for (const file of files()) {
    const content = parseLosslessJson(readFileSync(file, "utf8")) as {
      resources: Record<string, unknown>[];
      tests: Case[];
    };
    for (const one of content.tests) {
      test(`${path.basename(path.dirname(file))}/${path.basename(file)}: ${one.title}`, () => {
        const run = () => evaluateView(one.view, content.resources);
        if (one.expectError === true) {
          expect(run).toThrow();
          return;
        }
        const { columns, rows } = run();
        if (one.expectColumns !== undefined) expect(columns).toEqual(one.expectColumns);
        if (one.expectCount !== undefined) expect(rows.length).toBe(one.expectCount);
        if (one.expect !== undefined) expect(sameRows(one.expect, rows), JSON.stringify(rows)).toBe(true);
      });
    }
  }
});
