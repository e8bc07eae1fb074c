import { describe, expect, it } from "vitest";
import { isLakeError, type LakeError } from "#kernel";
import { parse } from "./parser.js";
import { print } from "./printer.js";

function errorOf(text: string): LakeError {
  try {
    parse(text);
  } catch (error) {
    if (isLakeError(error)) return error;
    throw error;
  }
  throw new Error(`'${text}' parsed`);
}

describe("the parser", () => {
  it.each([
    ["a or b and c", "a or (b and c)"],
    ["a implies b or c", "a implies (b or c)"],
    ["a = b in c", "(a = b) in c"],
    ["a < b = c", "(a < b) = c"],
    ["a | b < c", "(a | b) < c"],
    ["a + b | c", "(a + b) | c"],
    ["a is Patient = b", "(a is Patient) = b"],
    ["a + b * c - d", "(a + (b * c)) - d"],
    ["-a.b + c", "(-a.b) + c"],
    ["-a * b", "(-a) * b"],
    ["a.b[0].c", "a.b[0].c"],
    ["a - b - c", "(a - b) - c"],
  ])("binds %s as %s", (text, grouped) => {
    expect(print(parse(text))).toBe(grouped);
  });

  it.each([
    ["'it\\'s \\u00e9 \\n'", { type: "string", text: "it's é \n" }],
    ["1", { type: "integer", text: "1" }],
    ["1.50", { type: "decimal", text: "1.50" }],
    ["10L", { type: "long", text: "10" }],
    ["@2020", { type: "date", text: "2020" }],
    ["@2020-02-29", { type: "date", text: "2020-02-29" }],
    ["@2020-02T", { type: "dateTime", text: "2020-02T" }],
    ["@2020-02-29T10:00:00.5+01:00", { type: "dateTime", text: "2020-02-29T10:00:00.5+01:00" }],
    ["@T12:30", { type: "time", text: "12:30" }],
    ["4 'mg'", { type: "quantity", text: "4", unit: "mg", calendar: false }],
    ["2 years", { type: "quantity", text: "2", unit: "years", calendar: true }],
    ["{}", { type: "empty" }],
    ["true", { type: "boolean", value: true }],
  ])("reads the literal %s as written", (text, value) => {
    expect(parse(text)).toMatchObject({ kind: "literal", value });
  });

  it("takes operator words as names behind a dot, and any name in backquotes", () => {
    expect(print(parse("text.div"))).toBe("text.`div`");
    expect(print(parse("`odd name`.contains"))).toBe("`odd name`.`contains`");
    expect(parse("expansion.contains.where(contains.exists())")).toMatchObject({
      kind: "call",
      name: "where",
    });
  });

  it("skips comments and white space", () => {
    expect(print(parse("a // first\n . /* then */ b"))).toBe("a.b");
  });

  it("gives every node the span of its text", () => {
    expect(parse("name.where(use = 'x')")).toMatchObject({
      span: { start: 0, end: 21 },
      nameSpan: { start: 5, end: 10 },
      args: [{ span: { start: 11, end: 20 }, operatorSpan: { start: 15, end: 16 } }],
    });
  });

  it.each([
    ["", 0],
    ["a.", 2],
    ["a b", 2],
    ["@@", 0],
    ["@2020-13-45", 0],
    ["'open", 0],
    ["'\\x'", 1],
    ["(a", 2],
    ["a[0", 3],
    ["f(a,)", 4],
    ["$other", 0],
    ["% a", 0],
    ["a ? b", 2],
  ])("says where %j goes wrong", (text, start) => {
    const error = errorOf(text);
    expect(error.code).toBe("fhirpath/syntax");
    const { span } = error.details as { span: { start: number } };
    expect(span.start).toBe(start);
  });

  it("points at the place with a caret", () => {
    expect(errorOf("name.where(use == 'x')").details["caret"]).toBe(
      "name.where(use == 'x')\n                ^",
    );
  });

  it.each([
    "(".repeat(5000),
    `a${".b".repeat(3000)}`,
    `1${" + 1".repeat(3000)}`,
    `a${"[0]".repeat(3000)}`,
    `${"-".repeat(5000)}1`,
  ])("refuses what is nested too deeply instead of running out of stack (case %#)", (text) => {
    expect(errorOf(text).code).toBe("fhirpath/too-deep");
  });

  it("allows long chains of and, or and |", () => {
    expect(parse(Array.from({ length: 400 }, (_, i) => `a = '${i}'`).join(" or "))).toMatchObject({
      operator: "or",
    });
  });
});
