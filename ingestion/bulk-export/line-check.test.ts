import { describe, expect, it } from "vitest";
import { LineCheck, type LineExpectation } from "./line-check.js";

const lines = Array.from(
  { length: 50 },
  (_, n) => `{"resourceType":"Patient","id":"p${n}","name":[{"family":"Größe ${n}"}]}`,
);
const text = Buffer.from(lines.map((line) => `${line}\n`).join(""));

function check(bytes: Buffer, expected: Partial<LineExpectation> = {}, chunkSize = bytes.length): LineCheck {
  const lineCheck = new LineCheck({
    name: "file of Patient resources",
    type: "Patient",
    count: undefined,
    whole: true,
    ...expected,
  });
  // One buffer for all chunks, as streams may do it.
  const chunk = Buffer.alloc(Math.max(1, chunkSize));
  for (let at = 0; at < bytes.length; at += chunk.length) {
    const length = bytes.copy(chunk, 0, at, at + chunk.length);
    lineCheck.write(chunk.subarray(0, length));
  }
  lineCheck.end();
  return lineCheck;
}

describe("the check of a file's lines", () => {
  it.each([1, 2, 3, 7, 64, 1000, 1e6])("counts lines that come in pieces of %i bytes", (size) => {
    expect(check(text, { count: 50 }, size).lines).toBe(50);
  });

  it("does not count blank lines, and takes CRLF, a BOM and a missing last line end", () => {
    const odd = `\ufeff${lines[0]}\r\n\r\n  \n${lines[1]}\n\t\n${lines[2]}`;
    for (const size of [1, 5, 10_000]) expect(check(Buffer.from(odd), { count: 3 }, size).lines).toBe(3);
    expect(check(Buffer.alloc(0), { count: 0 }).lines).toBe(0);
    expect(check(Buffer.from("\ufeff"), { count: 0 }).lines).toBe(0);
  });

  it("refuses a file cut at any byte, when the manifest counts", () => {
    // The last cut only takes the line end off.
    for (let end = 0; end < text.length - 1; end++) {
      expect(() => check(text.subarray(0, end), { count: 50 }), `cut at ${end}`).toThrow(
        expect.objectContaining({ code: "source/damaged-file", retryable: true }),
      );
    }
    expect(check(text.subarray(0, -1), { count: 50 }).lines).toBe(50);
  });

  it("without a count refuses a file cut anywhere but at the end of a line", () => {
    let taken = 0;
    for (let end = 0; end < text.length; end++) {
      const whole = text[end] === 0x0a || end === 0 || text[end - 1] === 0x0a;
      if (whole) {
        check(text.subarray(0, end));
        taken++;
      } else expect(() => check(text.subarray(0, end))).toThrow(/middle of a line/);
    }
    expect(taken).toBe(100);
  });

  it("refuses lines of another type, wherever it stands in the line", () => {
    const wrong = [
      '{"resourceType":"Observation"}',
      '{"id":"1", "resourceType" : "Observation"}',
      '{"contained":[{"resourceType":"Patient"}],"resourceType":"Observation"}',
      '{"resourceType":"PatientX"}',
    ];
    for (const line of wrong) {
      expect(() => check(Buffer.from(`${lines[0]}\n${line}\n`))).toThrow(/in line 2/);
    }
    const right = [
      '{"id":"1","resourceType" :\t"Patient"}',
      '{"resourceType":"Patient","contained":[{"resourceType":"Observation"}]}',
      '{"contained":[{"resourceType":"Observation"}],"resourceType":"Patient"}',
      "no JSON at all",
      "[1,2]",
    ];
    expect(check(Buffer.from(`${right.join("\n")}\n`)).lines).toBe(5);
    expect(check(Buffer.from(`${wrong.join("\n")}\n`), { type: undefined }).lines).toBe(4);
  });

  it("refuses what is cut down, unless only ids are wanted", () => {
    const line = Buffer.from('{"resourceType":"Patient","id":"1","meta":{"tag":[{"code":"SUBSETTED"}]}}\n');
    expect(() => check(line)).toThrow(expect.objectContaining({ code: "source/subsetted" }));
    expect(check(line, { whole: false }).lines).toBe(1);
  });

  it("counts a line that is too long to be looked into, and sees that it is cut", () => {
    const piece = Buffer.alloc(1 << 20, 0x61);
    const long = (end: string): LineCheck => {
      const lineCheck = new LineCheck({ name: "file", type: "Patient", count: 2, whole: true });
      lineCheck.write(Buffer.from(`${lines[0]}\n{"resourceType":"Patient","x":"`));
      for (let i = 0; i < 70; i++) lineCheck.write(piece);
      lineCheck.write(Buffer.from(end));
      lineCheck.end();
      return lineCheck;
    };
    expect(long('"}').lines).toBe(2);
    expect(long('"}\n').lines).toBe(2);
    expect(() => long("")).toThrow(/middle of a line/);
  });
});
