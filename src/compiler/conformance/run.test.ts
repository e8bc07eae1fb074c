import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LakeError, parseExactJson } from "#kernel";
import { conformanceReport } from "./report.js";
import { type ConformanceOptions, runConformance, type ViewResult } from "./run.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "conformance-"));
});
afterEach(() => rm(folder, { recursive: true }));

const resources = [{ resourceType: "Patient", id: "p1" }];
const write = (name: string, tests: unknown[]): Promise<void> =>
  writeFile(path.join(folder, name), JSON.stringify({ title: name, resources, tests }));

function answering(columns: string[], rows: string): ConformanceOptions["runView"] {
  return () => Promise.resolve({ columns, rows: parseExactJson(rows) as unknown as ViewResult["rows"] });
}

const run = (runView: ConformanceOptions["runView"], options: Partial<ConformanceOptions> = {}) =>
  runConformance({ dirs: [folder], runView, ...options });

test("rows are compared as bags, numbers by value", async () => {
  await write("a.json", [
    { title: "same", view: {}, expect: [{ v: 1.5 }, { v: null }, { v: 1.5 }] },
    { title: "once too few", view: {}, expect: [{ v: 1.5 }, { v: null }] },
    { title: "another value", view: {}, expect: [{ v: 1.5 }, { v: 2 }, { v: 1.5 }] },
  ]);
  const summary = await run(answering(["v"], '[{"v":null},{"v":1.50},{"v":1.5}]'));
  expect(summary.results.map((result) => result.passed)).toEqual([true, false, false]);
  expect(summary).toMatchObject({ passed: 1, failed: 2 });
  expect(summary.results[2]?.error).toBe(
    '1 expected rows are missing, such as {"v":2}; 1 rows were not expected, such as {"v":null}.',
  );
});

test("numbers may be compared by their digits", async () => {
  await write("a.json", [{ title: "digits", view: {}, expect: [{ v: 1.5 }] }]);
  const summary = await run(answering(["v"], '[{"v":1.50}]'), { numbers: "text" });
  expect(summary.failed).toBe(1);
});

test("a number is not a string, a missing member is not null", async () => {
  await write("a.json", [
    { title: "string", view: {}, expect: [{ v: "1" }] },
    { title: "missing", view: {}, expect: [{}] },
  ]);
  expect((await run(answering(["v"], '[{"v":1}]'))).failed).toBe(2);
  expect((await run(answering(["v"], '[{"v":null}]'))).failed).toBe(2);
});

test("counts and column order are checked", async () => {
  await write("a.json", [
    { title: "count", view: {}, expectCount: 2 },
    { title: "columns", view: {}, expect: [{ a: 1, b: 2 }], expectColumns: ["b", "a"] },
  ]);
  const summary = await run(answering(["a", "b"], '[{"a":1,"b":2}]'));
  expect(summary.results.map((result) => result.error)).toEqual([
    "2 rows were expected, but 1 came.",
    "The columns are not the expected ones in the expected order.",
  ]);
});

test("an expected error must be ours: an engine failure or a result fails the test", async () => {
  await write("a.json", [{ title: "wrong", view: {}, expectError: true }]);
  const failing = (error: Error) => run(() => Promise.reject(error));
  expect((await failing(new LakeError("invalid-input", "views/wrong", "No."))).passed).toBe(1);
  expect((await failing(new LakeError("internal", "duckdb/query-failed", "No."))).passed).toBe(0);
  expect((await failing(new TypeError("undefined is not a function"))).passed).toBe(0);
  expect((await run(answering([], "[]"))).passed).toBe(0);
});

test("an unexpected error fails the test and is reported with its code", async () => {
  await write("a.json", [{ title: "right", view: {}, expect: [] }]);
  const summary = await run(() =>
    Promise.reject(new LakeError("unsupported", "fhirpath/unknown-function", "No x().")),
  );
  expect(conformanceReport(summary)).toEqual({
    "a.json": {
      tests: [
        {
          name: "right",
          result: {
            passed: false,
            error: "No x().",
            details: { code: "fhirpath/unknown-function", kind: "unsupported" },
          },
        },
      ],
    },
  });
});

test("a file that is no test file is a failure, not a silent pass", async () => {
  await write("good.json", [{ title: "t", view: {}, expect: [{ a: 1 }] }]);
  await writeFile(path.join(folder, "bad.json"), "{");
  await write("twice.json", [{ title: "t", view: {}, expect: [], expectError: true }]);
  const summary = await run(answering(["a"], '[{"a":1}]'));
  expect(summary.results.map((result) => [result.file, result.passed])).toEqual([
    ["bad.json", false],
    ["good.json", true],
    ["twice.json", false],
  ]);
});

test("a later folder's file takes the place of its namesake", async () => {
  await write("a.json", [{ title: "old", view: {}, expectCount: 9 }]);
  const newer = await mkdtemp(path.join(tmpdir(), "newer-"));
  await writeFile(
    path.join(newer, "a.json"),
    JSON.stringify({ resources, tests: [{ title: "new", view: {}, expectCount: 1 }] }),
  );
  const summary = await run(answering(["a"], '[{"a":1}]'), { dirs: [folder, newer] });
  expect(summary.results.map((result) => [result.title, result.passed])).toEqual([["new", true]]);
  await rm(newer, { recursive: true });
});

test("a folder without test files is an error", async () => {
  await expect(run(answering([], "[]"))).rejects.toMatchObject({ code: "compiler/no-test-files" });
});

test("the view gets resources with their digits untouched", async () => {
  await writeFile(
    path.join(folder, "a.json"),
    '{"resources":[{"resourceType":"Observation","valueQuantity":{"value":1.00}}],"tests":[{"title":"t","view":{"name":"v"},"expect":[]}]}',
  );
  const seen: unknown[] = [];
  await run((view, texts) => {
    seen.push(view, ...texts);
    return Promise.resolve({ columns: [], rows: [] });
  });
  expect(seen).toEqual(['{"name":"v"}', '{"resourceType":"Observation","valueQuantity":{"value":1.00}}']);
});
