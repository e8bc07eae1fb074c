import fc from "fast-check";
import { expect, it } from "vitest";
import { isLakeError } from "#kernel";
import type { Ast, BinaryOperator, LiteralValue } from "./ast.js";
import { parse } from "./parser.js";
import { print } from "./printer.js";

const NO_SPAN = { start: 0, end: 0 };
const name = fc.oneof(
  fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/),
  fc.string({ minLength: 1, maxLength: 6 }),
);
const typeName = fc.constantFrom("Patient", "FHIR.Quantity", "System.String", "Patient.contact");
const operator = fc.constantFrom<BinaryOperator[]>(
  ..."* / div mod + - & | < > <= >= = ~ != !~ in contains and or xor implies"
    .split(" ")
    .map((o) => o as BinaryOperator),
);
const digits = fc.nat({ max: 10_000 }).map(String);

const literalValue: fc.Arbitrary<LiteralValue> = fc.oneof(
  fc.constant<LiteralValue>({ type: "empty" }),
  fc.boolean().map((value): LiteralValue => ({ type: "boolean", value })),
  fc.string({ maxLength: 12 }).map((text): LiteralValue => ({ type: "string", text })),
  digits.map((text): LiteralValue => ({ type: "integer", text })),
  digits.map((text): LiteralValue => ({ type: "long", text })),
  fc.tuple(digits, digits).map(([a, b]): LiteralValue => ({ type: "decimal", text: `${a}.${b}` })),
  fc.constantFrom("2020", "2020-02", "2020-02-29").map((text): LiteralValue => ({ type: "date", text })),
  fc
    .constantFrom("2020T", "2020-02-29T10:00", "2020-02-29T10:00:00.5Z")
    .map((text): LiteralValue => ({ type: "dateTime", text })),
  fc.constantFrom("10", "10:30", "10:30:00.123").map((text): LiteralValue => ({ type: "time", text })),
  fc
    .tuple(digits, fc.string({ maxLength: 4 }))
    .map(([text, unit]): LiteralValue => ({ type: "quantity", text, unit, calendar: false })),
  fc
    .tuple(digits, fc.constantFrom("year", "days"))
    .map(([text, unit]): LiteralValue => ({ type: "quantity", text, unit, calendar: true })),
);

const { ast } = fc.letrec<{ ast: Ast }>((tie) => ({
  ast: fc.oneof(
    { maxDepth: 5, depthIdentifier: "ast" },
    literalValue.map((value): Ast => ({ kind: "literal", value, span: NO_SPAN })),
    name.map((n): Ast => ({ kind: "member", target: undefined, name: n, nameSpan: NO_SPAN, span: NO_SPAN })),
    name.map((n): Ast => ({ kind: "constant", name: n, span: NO_SPAN })),
    fc
      .constantFrom("this", "index", "total")
      .map((n): Ast => ({ kind: "variable", name: n as "this", span: NO_SPAN })),
    fc
      .tuple(tie("ast"), name)
      .map(([target, n]): Ast => ({ kind: "member", target, name: n, nameSpan: NO_SPAN, span: NO_SPAN })),
    fc.tuple(fc.option(tie("ast"), { nil: undefined }), name, fc.array(tie("ast"), { maxLength: 3 })).map(
      ([target, n, args]): Ast => ({
        kind: "call",
        target,
        name: n,
        args,
        nameSpan: NO_SPAN,
        span: NO_SPAN,
      }),
    ),
    fc
      .tuple(tie("ast"), tie("ast"))
      .map(([target, index]): Ast => ({ kind: "index", target, index, span: NO_SPAN })),
    fc
      .tuple(fc.constantFrom("+", "-"), tie("ast"))
      .map(([o, operand]): Ast => ({ kind: "sign", operator: o as "+", operand, span: NO_SPAN })),
    fc.tuple(operator, tie("ast"), tie("ast")).map(
      ([o, left, right]): Ast => ({
        kind: "binary",
        operator: o,
        left,
        right,
        operatorSpan: NO_SPAN,
        span: NO_SPAN,
      }),
    ),
    fc.tuple(fc.constantFrom("is", "as"), tie("ast"), typeName).map(
      ([o, operand, t]): Ast => ({
        kind: "type",
        operator: o as "is",
        operand,
        typeName: t,
        typeSpan: NO_SPAN,
        span: NO_SPAN,
      }),
    ),
  ),
}));

/** A tree without spans, and without `$this` behind a dot, which adds nothing. */
function bare(tree: unknown): unknown {
  if (Array.isArray(tree)) return tree.map(bare);
  if (typeof tree !== "object" || tree === null) return tree;
  return Object.fromEntries(
    Object.entries(tree)
      .filter(([key, value]) => !/[sS]pan$/.test(key) && value !== undefined)
      .map(([key, value]) => [key, bare(value)]),
  );
}

it("reads back what it prints", () => {
  fc.assert(
    fc.property(ast, (tree) => {
      expect(bare(parse(print(tree)))).toEqual(bare(tree));
    }),
    { seed: 42, numRuns: 2000 },
  );
});

it("answers any text with a tree or a typed error", () => {
  const pieces = fc.constantFrom(
    "name",
    ".",
    "(",
    ")",
    "'",
    "@2020",
    "%",
    "$this",
    "[",
    "]",
    "and",
    "=",
    "1.5",
    "{",
    "}",
    "|",
    "-",
    " ",
    "\n",
    "\\",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: "binary" }),
        fc.array(pieces).map((parts) => parts.join("")),
      ),
      (text) => {
        try {
          parse(text);
        } catch (error) {
          expect(isLakeError(error), String(error)).toBe(true);
        }
      },
    ),
    { seed: 42, numRuns: 3000 },
  );
});
