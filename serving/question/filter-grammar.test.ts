import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LakeError } from "#kernel";
import { type Condition, columnOperators } from "#query";
import { parseColumnFilter, parseGroup } from "./filter-grammar.js";
import { parseOrder, parseSelect } from "./select-grammar.js";

const refusal = (work: () => unknown): { code: string; message: string } => {
  try {
    work();
  } catch (error) {
    return error as LakeError;
  }
  throw new Error("it was read");
};

describe("the filter of a column", () => {
  it.each<[string, Condition]>([
    ["male", { operator: "eq", column: "c", value: "male" }],
    ["", { operator: "eq", column: "c", value: "" }],
    ["E11.9", { operator: "eq", column: "c", value: "E11.9" }],
    ["http://loinc.org", { operator: "eq", column: "c", value: "http://loinc.org" }],
    ["eq.in.(a,b)", { operator: "eq", column: "c", value: "in.(a,b)" }],
    ['eq."quoted"', { operator: "eq", column: "c", value: '"quoted"' }],
    ["gte.18", { operator: "gte", column: "c", value: "18" }],
    ["like.*a,b)*", { operator: "like", column: "c", value: "*a,b)*" }],
    ["in.(E11.9,E10.9)", { operator: "in", column: "c", values: ["E11.9", "E10.9"] }],
    ['in.("a,b","c)","d\\"e\\\\",)', { operator: "in", column: "c", values: ["a,b", "c)", 'd"e\\', ""] }],
    ["is.null", { operator: "is", column: "c", value: "null" }],
    ["is.not_null", { operator: "not", condition: { operator: "is", column: "c", value: "null" } }],
    ["not.is.null", { operator: "not", condition: { operator: "is", column: "c", value: "null" } }],
    ["not.eq.x", { operator: "not", condition: { operator: "eq", column: "c", value: "x" } }],
    ["cs.{a,b}", { operator: "cs", column: "c", values: ["a", "b"] }],
    ["cs.(a,b)", { operator: "cs", column: "c", values: ["a", "b"] }],
    ["ov.one, two", { operator: "ov", column: "c", values: ["one, two"] }],
  ])("%s", (text, expected) => {
    expect(parseColumnFilter("c", text)).toEqual(expected);
  });

  it.each([
    ["gt3.1", undefined],
    ["gteq.1", "serving/unknown-operator"],
    ["not.gret.1", "serving/unknown-operator"],
    ["is.nul", "serving/bad-syntax"],
    ["in.a", "serving/bad-syntax"],
    ["in.(a", "serving/bad-syntax"],
    ['in.("a)', "serving/bad-syntax"],
    ["in.(a)b", "serving/bad-syntax"],
    ["is.nullx", "serving/bad-syntax"],
  ])("%s is refused with %s and a place, never with the value", (text, code) => {
    if (code === undefined) {
      expect(parseColumnFilter("c", text)).toEqual({ operator: "eq", column: "c", value: text });
      return;
    }
    expect(refusal(() => parseColumnFilter("c", text)).code).toBe(code);
  });

  it("names the nearest operator", () => {
    expect(refusal(() => parseColumnFilter("age", "gtr.18")).message).toContain("Did you mean 'gt'?");
    expect(refusal(() => parseColumnFilter("age", "gtr.18")).message).toContain("write eq. before it");
  });
});

describe("a group of filters", () => {
  it("nests, negates and quotes", () => {
    const text = String.raw`(a.eq.1,and(b.gt.2,c.not.is.null),"odd, \"x".in.(1,"2,3"))`;
    expect(parseGroup("or", text)).toEqual({
      operator: "or",
      conditions: [
        { operator: "eq", column: "a", value: "1" },
        {
          operator: "and",
          conditions: [
            { operator: "gt", column: "b", value: "2" },
            { operator: "not", condition: { operator: "is", column: "c", value: "null" } },
          ],
        },
        { operator: "in", column: 'odd, "x', values: ["1", "2,3"] },
      ],
    });
  });

  it.each(["", "a.eq.1", "()", "(a.eq.1", "(a.eq.1))", "(a)", "(a.)", "(,a.eq.1)", `${"(or".repeat(20)}`])(
    "%s is refused",
    (text) => {
      expect(refusal(() => parseGroup("and", text)).code).toMatch(/^serving\/(bad-syntax|unknown-operator)$/);
    },
  );
});

/** A condition as the grammar writes it within a group. */
function written(condition: Condition): string {
  const quote = (text: string) => `"${text.replace(/["\\]/g, (c) => `\\${c}`)}"`;
  switch (condition.operator) {
    case "and":
    case "or":
      return `${condition.operator}(${condition.conditions.map(written).join(",")})`;
    case "not": {
      const inner = condition.condition;
      if (inner.operator === "and" || inner.operator === "or") return `not.${written(inner)}`;
      const text = written(inner);
      const column = "column" in inner ? quote(inner.column) : "";
      return `${column}.not${text.slice(column.length)}`;
    }
    case "in":
    case "cs":
    case "ov":
      return `${quote(condition.column)}.${condition.operator}.(${condition.values.map(quote).join(",")})`;
    case "is":
      return `${quote(condition.column)}.is.${condition.value}`;
    default:
      return `${quote(condition.column)}.${condition.operator}.${quote(condition.value)}`;
  }
}

const leaf: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({
    operator: fc.constantFrom("eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike" as const),
    column: fc.string({ minLength: 1 }),
    value: fc.string(),
  }),
  fc.record({
    operator: fc.constantFrom("in", "cs", "ov" as const),
    column: fc.string({ minLength: 1 }),
    values: fc.array(fc.string(), { minLength: 1, maxLength: 4 }),
  }),
  fc.record({
    operator: fc.constant("is" as const),
    column: fc.string({ minLength: 1 }),
    value: fc.constantFrom("null", "true", "false" as const),
  }),
) as fc.Arbitrary<Condition>;

const tree = fc.letrec<{ any: Condition; group: Condition }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 4 },
    leaf,
    leaf.map((condition): Condition => ({ operator: "not", condition })),
    tie("group"),
    tie("group").map((condition): Condition => ({ operator: "not", condition })),
  ),
  group: fc.record({
    operator: fc.constantFrom("and", "or" as const),
    conditions: fc.array(tie("any"), { minLength: 1, maxLength: 3 }),
  }) as fc.Arbitrary<Condition>,
}));

describe("the grammar", () => {
  it("reads back every condition that it can write", () => {
    fc.assert(
      fc.property(fc.array(tree.any, { minLength: 1, maxLength: 3 }), (conditions) => {
        const text = `(${conditions.map(written).join(",")})`;
        expect(parseGroup("and", text)).toEqual({ operator: "and", conditions });
      }),
      { seed: 61, numRuns: 500 },
    );
  });

  it("answers any text with a condition or a refusal of its own", () => {
    const alphabet = fc.constantFrom(...'ab.,()"\\{}*%'.split(""), ...columnOperators, "not.", "and(", "or(");
    fc.assert(
      fc.property(fc.array(alphabet, { maxLength: 30 }), (parts) => {
        const text = parts.join("");
        for (const read of [() => parseColumnFilter("c", text), () => parseGroup("or", text)]) {
          try {
            read();
          } catch (error) {
            expect((error as LakeError).code).toMatch(/^serving\//);
          }
        }
      }),
      { seed: 62, numRuns: 2000 },
    );
  });
});

describe("select and order", () => {
  it("take names, quoted names, new names and directions", () => {
    expect(parseSelect('a, b,new:old,"x,y":"o:d",""')).toEqual([
      { column: "a" },
      { column: "b" },
      { column: "old", as: "new" },
      { column: "o:d", as: "x,y" },
      { column: "" },
    ]);
    expect(parseSelect(" ")).toEqual([]);
    expect(parseOrder('a,b.desc,c.asc.nullsfirst,"d.e".nullslast')).toEqual([
      { column: "a" },
      { column: "b", descending: true },
      { column: "c", descending: false, nullsFirst: true },
      { column: "d.e", nullsFirst: false },
    ]);
  });

  it("refuse what they cannot read", () => {
    expect(refusal(() => parseOrder("a.descc")).message).toContain("Did you mean 'desc'?");
    expect(refusal(() => parseOrder("")).code).toBe("serving/bad-syntax");
    expect(refusal(() => parseSelect('"a"b')).code).toBe("serving/bad-syntax");
  });
});
