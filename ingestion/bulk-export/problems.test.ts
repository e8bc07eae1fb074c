import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { type ProblemReport, ProblemTally } from "./problems.js";

type Issue = Readonly<Record<string, unknown>>;

async function report(issues: readonly (Issue | string)[], known: readonly string[]): Promise<ProblemReport> {
  const file = path.join(await mkdtemp(path.join(tmpdir(), "fhir-lake-problems-")), "error.ndjson");
  const line = (issue: Issue | string): string =>
    typeof issue === "string" ? issue : JSON.stringify({ resourceType: "OperationOutcome", issue: [issue] });
  await writeFile(file, issues.map(line).join("\n"));
  const tally = new ProblemTally(known);
  await tally.readFile(file);
  return tally.report();
}

const known = ["Condition", "Observation", "Patient"];
const error = (more: Issue): Issue => ({ severity: "error", code: "exception", ...more });

describe("what a server reports about an export", () => {
  it.each<[string, Issue | string, readonly string[]]>([
    ["an expression", error({ expression: ["Observation.value"] }), ["Observation"]],
    ["a word of the text", error({ diagnostics: "Export of Condition failed" }), ["Condition"]],
    ["details", error({ details: { text: "No access to Patient" } }), ["Patient"]],
    ["two words", error({ diagnostics: "Condition, Patient" }), ["Condition", "Patient"]],
    ["only a reference", error({ diagnostics: "Failed at Patient/123" }), known],
    ["nothing", error({}), known],
    ["an unknown type", error({ diagnostics: "Basic failed" }), known],
    ["a fatal issue", { severity: "fatal", code: "timeout" }, known],
    ["an unknown severity", { severity: "odd", code: "timeout" }, known],
    ["something that is no OperationOutcome", '{"resourceType":"Patient"}', known],
    ["a broken line", "{", known],
    ["a warning", { severity: "warning", code: "processing", diagnostics: "Patient" }, []],
    ["an information", { severity: "information", code: "informational" }, []],
  ])("with %s makes the right types incomplete", async (_name, issue, expected) => {
    expect((await report([issue], known)).incompleteTypes).toEqual(expected);
  });

  it("makes every type incomplete when it is not known which there are", async () => {
    expect((await report([error({})], [])).incompleteTypes).toEqual(["*"]);
  });

  it("is summed up without the server's words", async () => {
    const issues = Array.from({ length: 3 }, (_, n) => error({ diagnostics: `Patient Canary ${n}` }));
    const { problems } = await report([...issues, { severity: "warning", code: "BAD CODE canary" }], known);
    expect(problems).toEqual([
      {
        severity: "error",
        type: "Patient",
        message: "The server reported 3 issues of code 'exception' with the export.",
      },
      { severity: "warning", message: "The server reported 1 issue of code 'unknown' with the export." },
    ]);
  });
});
