import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rewriteJson, TextBuffer } from "./json-text.js";

function rewrite(text: string, options: Parameters<typeof rewriteJson>[3]): string {
  const bytes = Buffer.from(text);
  const output = new TextBuffer();
  output.append(Buffer.from("kept in front "));
  rewriteJson(bytes, 0, bytes.length, options, output);
  const result = output.bytes.toString("utf8", 0, output.length);
  expect(result.startsWith("kept in front ")).toBe(true);
  return result.slice(14);
}

describe("rewriting JSON text", () => {
  it("compacts to what JSON.stringify gives, whatever the indentation", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(1, 4, "\t"), (value, indent) => {
        const pretty = JSON.stringify(value, null, indent).replaceAll("\n", "\r\n");
        expect(rewrite(pretty, { compact: true })).toBe(JSON.stringify(value));
      }),
      { seed: 31, numRuns: 1000 },
    );
  });

  it("keeps literals as written", () => {
    const text = '{ "a" : 1.10 , "b" : "x  \\u0041\\" y" , "c" : [ 1e5 , -0.0 ] }';
    expect(rewrite(text, { compact: true })).toBe('{"a":1.10,"b":"x  \\u0041\\" y","c":[1e5,-0.0]}');
    expect(rewrite(text, {})).toBe(text);
  });

  it("changes known urn references and nothing else", () => {
    const references = new Map([["urn:uuid:1", "Patient/a"]]);
    const text =
      '{"subject": {"reference" : "urn:uuid:1"}, "other": {"reference":"urn:uuid:2"}, "url":"urn:uuid:1",' +
      ' "list":["reference","urn:uuid:1"], "reference":{"x":"urn:uuid:1"}, "a":{"reference":"urn\\u003auuid:1"}}';
    const result = rewrite(text, { references });
    expect(result).toBe(text.replace('"reference" : "urn:uuid:1"', '"reference" : "Patient/a"'));
  });
});
