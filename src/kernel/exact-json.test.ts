import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalNumber, formatExactJson, parseExactJson, parseSourcedJson } from "./exact-json.js";

test("digits survive parsing and formatting", () => {
  const text = '{"a":[1.0,1e2,-0.00,123456789012345678901234567890.5,1E+3],"b":null,"c":true,"d":"1.0"}';
  expect(formatExactJson(parseExactJson(text))).toBe(text);
});

test("what JSON.parse accepts is accepted with the same meaning", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value, undefined, 2);
      expect(JSON.parse(formatExactJson(parseExactJson(text)))).toEqual(JSON.parse(text));
    }),
    { seed: 1, numRuns: 300 },
  );
});

test("what JSON.parse refuses is refused with a typed error", () => {
  const mutilated = fc
    .tuple(fc.jsonValue(), fc.nat(), fc.constantFrom("", "x", ",", "}", "]", '"', "-", "0", "\\", "\n"))
    .map(([value, at, insert]) => {
      const text = JSON.stringify(value);
      const cut = at % (text.length + 1);
      return text.slice(0, cut) + insert + text.slice(cut + 1);
    });
  fc.assert(
    fc.property(mutilated, (text) => {
      let accepted = true;
      try {
        JSON.parse(text);
      } catch {
        accepted = false;
      }
      if (accepted) parseExactJson(text);
      else expect(() => parseExactJson(text)).toThrowError(/not valid JSON at character/);
    }),
    { seed: 2, numRuns: 1000 },
  );
});

test("nesting without end is refused instead of overflowing the stack", () => {
  expect(() => parseExactJson("[".repeat(100_000))).toThrowError(/not valid JSON/);
});

test("a member called __proto__ is kept as a member", () => {
  expect(formatExactJson(parseExactJson('{"__proto__":1}'))).toBe('{"__proto__":1}');
});

test("source texts are given for the values up to three levels down", () => {
  const { sources } = parseSourcedJson('{"resources":[{"v": 1.0}, 2 ],"tests":[{"view":{"a":[1]}}]}');
  expect(sources.get("resources/0")).toBe('{"v": 1.0}');
  expect(sources.get("tests/0/view")).toBe('{"a":[1]}');
  expect(sources.has("tests/0/view/a")).toBe(false);
});

test("numbers of equal value have one canonical form", () => {
  const same = (...texts: string[]) => new Set(texts.map(canonicalNumber)).size === 1;
  expect(same("1", "1.0", "10e-1", "0.1E1")).toBe(true);
  expect(same("0", "-0", "0.00", "0e7")).toBe(true);
  expect(same("100", "1e2")).toBe(true);
  expect(same("1", "-1")).toBe(false);
  expect(same("0.1", "0.10000000000000000001")).toBe(false);
});
