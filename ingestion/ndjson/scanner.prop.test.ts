import { isUtf8 } from "node:buffer";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadDefinitions } from "#fhir";
import { Rejection } from "../quarantine/reason.js";
import { ResourceScanner } from "./scanner.js";

const scanner = new ResourceScanner(loadDefinitions("4.0.1"), { maxDepth: 64 });
/** Refusals of text that is not JSON at all; the others are rules beyond the grammar. */
const GRAMMAR = new Set(["invalid-json", "truncated", "control-character"]);

function verdict(text: string): Rejection | undefined {
  const bytes = Buffer.from(`${text}\n`);
  try {
    scanner.scan(bytes, 0, bytes.length - 1);
    scanner.keep();
    return undefined;
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** False when a string holds half of a surrogate pair, which UTF-8 cannot write. */
function isWellFormed(text: string): boolean {
  return Buffer.from(text).toString("utf8") === text;
}

/** True when a value has what we refuse beyond the grammar and what JSON.parse shows of it. */
function holdsLoss(value: unknown): boolean {
  if (typeof value === "number") return !Number.isFinite(value);
  if (typeof value === "string") return !isWellFormed(value);
  if (value === null || typeof value !== "object") return false;
  return Object.entries(value).some(([key, item]) => !isWellFormed(key) || holdsLoss(item));
}

/** A JSON text of a value with random white space and escapes, and numbers in odd forms. */
const literal = fc.oneof(
  fc.constantFrom(
    "0",
    "-0",
    "1.50",
    "1e5",
    "-1E-7",
    "1e999",
    "123456789012345678901",
    "true",
    "false",
    "null",
  ),
  fc.string({ unit: "binary" }).map((text) => JSON.stringify(text)),
  fc.constantFrom('"\\u00e9"', '"\\ud83d\\ude00"', '"\\ud83d"', '"\\/"', '""', '"\\u0000"'),
);
const space = fc.constantFrom("", "", "", " ", "\t", "\r", "  ");
const key = fc.oneof(
  fc.constantFrom(
    '"id"',
    '"active"',
    '"name"',
    '"given"',
    '"extension"',
    '"url"',
    '"meta"',
    '"x"',
    '"\\u0069d"',
  ),
  fc.string({ maxLength: 3 }).map((text) => JSON.stringify(text)),
);
const { value: jsonText } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    literal,
    fc
      .tuple(fc.array(tie("value"), { maxLength: 4 }), space)
      .map(([items, s]) => `[${s}${items.join(`${s},`)}${s}]`),
    fc
      .tuple(
        fc.uniqueArray(fc.tuple(key, tie("value")), {
          maxLength: 4,
          selector: ([k]) => JSON.parse(k) as string,
        }),
        space,
      )
      .map(([members, s]) => `{${s}${members.map(([k, v]) => `${k}${s}:${s}${v}`).join(`,${s}`)}${s}}`),
  ),
}));

const resource = fc
  .tuple(fc.array(fc.tuple(key, jsonText), { maxLength: 5 }), fc.boolean())
  .map(([members, first]) => {
    const type = '"resourceType":"Patient","id":"p"';
    const rest = members.map(([k, v]) => `${k}:${v}`);
    return `{${(first ? [type, ...rest] : [...rest, type]).join(",")}}`;
  });

describe("the scanner and JSON.parse", () => {
  it("agree on what is JSON when a resource is mutated byte by byte", () => {
    const byte = fc.oneof(fc.constantFrom(...Buffer.from('{}[]":,\\tfnu0123456789.eE+- \t\r')), fc.nat(255));
    const edit = fc.record({ at: fc.nat(), remove: fc.nat(3), insert: fc.array(byte, { maxLength: 2 }) });
    let refused = 0;
    fc.assert(
      fc.property(resource, fc.array(edit, { maxLength: 3 }), (text, edits) => {
        let bytes = Buffer.from(text);
        for (const { at, remove, insert } of edits) {
          const start = at % (bytes.length + 1);
          bytes = Buffer.concat([
            bytes.subarray(0, start),
            Buffer.from(insert),
            bytes.subarray(start + remove),
          ]);
        }
        // Lines never hold a LF, and what is not UTF-8 is refused before the scanner sees it.
        fc.pre(!bytes.includes(0x0a) && isUtf8(bytes));
        const mutated = bytes.toString("utf8");
        const refusal = verdict(mutated);
        if (refusal === undefined) {
          expect(parses(mutated)).toBe(true);
          expect(holdsLoss(JSON.parse(mutated))).toBe(false);
        } else {
          refused++;
          if (GRAMMAR.has(refusal.code)) expect(parses(mutated)).toBe(false);
        }
      }),
      { seed: 11, numRuns: 30_000 },
    );
    expect(refused).toBeGreaterThan(10_000);
  });

  it("never accept a text that is cut short", () => {
    fc.assert(
      fc.property(resource, fc.nat(), (text, at) => {
        const cut = text.slice(0, at % text.length);
        fc.pre(isWellFormed(cut));
        expect(verdict(cut)).toBeInstanceOf(Rejection);
      }),
      { seed: 12, numRuns: 5000 },
    );
  });

  it("agree on every JSON text below an element the definition does not know", () => {
    fc.assert(
      fc.property(jsonText, (value) => {
        const text = `{"resourceType":"Patient","unknownElement":${value},"id":"p"}`;
        const refusal = verdict(text);
        const expected = holdsLoss(JSON.parse(text));
        expect(refusal !== undefined).toBe(expected);
      }),
      { seed: 13, numRuns: 10_000 },
    );
  });

  it("survive any bytes at all", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (noise, prefixed) => {
        const prefix = prefixed ? '{"resourceType":"Observation","id":"o",' : "";
        const bytes = Buffer.concat([Buffer.from(prefix), noise.filter((b) => b !== 0x0a), Buffer.of(0x0a)]);
        try {
          scanner.scan(bytes, 0, bytes.length - 1);
        } catch (error) {
          expect(error).toBeInstanceOf(Rejection);
        }
      }),
      { seed: 14, numRuns: 20_000 },
    );
  });
});
