import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Rejection } from "../quarantine/reason.js";
import type { ByteSource } from "./byte-source.js";
import { LineReader } from "./line-reader.js";

/** Hands out bytes in pieces of the given sizes, over and over; breaks off at the end when told to. */
class PieceSource implements ByteSource {
  consumedBytes = 0;
  private readonly bytes: Buffer;
  private readonly sizes: readonly number[];
  private readonly failure: Rejection | undefined;
  private turn = 0;

  constructor(bytes: Buffer, sizes: readonly number[], failure?: Rejection) {
    this.bytes = bytes;
    this.sizes = sizes;
    this.failure = failure;
  }

  read(target: Buffer, at: number, length: number): number {
    const size = Math.min(this.sizes[this.turn++ % this.sizes.length]!, length);
    const count = this.bytes.copy(target, at, this.consumedBytes, this.consumedBytes + size);
    this.consumedBytes += count;
    if (count === 0 && this.failure !== undefined) throw this.failure;
    return count;
  }

  close(): void {}
}

type Line = readonly [event: string, offset: number, text: string, valid: boolean];

async function lines(reader: LineReader): Promise<Line[]> {
  const all: Line[] = [];
  while (await reader.fill()) {
    for (let event = reader.next(); event !== "none"; event = reader.next()) {
      if (event === "oversize") {
        const { offset, length, prefix } = reader.oversize!;
        all.push([event, offset, `${length}:${prefix.toString("latin1")}`, true]);
      } else {
        expect(reader.bytes[reader.end]).toBe(0x0a);
        const text = reader.bytes.toString("latin1", reader.start, reader.end);
        all.push([event, reader.offset, text, reader.valid]);
      }
    }
  }
  return all;
}

/** What the reader must find, told with strings. */
function expected(bytes: Buffer, maxLineBytes: number): Line[] {
  const text = bytes.toString("latin1");
  const all: Line[] = [];
  let at = text.startsWith("\xef\xbb\xbf") ? 3 : 0;
  while (at < text.length) {
    const lf = text.indexOf("\n", at);
    const end = lf < 0 ? text.length : lf;
    const line = text.slice(at, end).replace(/\r$/, "");
    const valid = Buffer.from(Buffer.from(line, "latin1").toString("utf8")).equals(
      Buffer.from(line, "latin1"),
    );
    if (line.length > maxLineBytes) all.push(["oversize", at, `${line.length}:${line}`, true]);
    else all.push(["line", at, line, valid]);
    at = end + 1;
  }
  return all;
}

const pieces = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });
const piece = fc.constantFrom("\n", "\n", "\r\n", "a", "bc", "\u00e9", "\u{1f600}", "\r", " ", "xyzxyzxyz");
const text = fc
  .tuple(
    fc.boolean(),
    fc.array(
      fc.oneof(
        piece.map((p) => Buffer.from(p)),
        fc.nat(255).map((b) => Buffer.of(b)),
      ),
    ),
  )
  .map(([mark, parts]) => Buffer.concat([mark ? Buffer.from("\ufeff") : Buffer.alloc(0), ...parts]));

describe("the line reader", () => {
  it("finds the same lines however the input is chopped", async () => {
    await fc.assert(
      fc.asyncProperty(text, pieces, async (bytes, sizes) => {
        const reader = new LineReader(new PieceSource(bytes, sizes), { maxLineBytes: 1 << 20 });
        expect(await lines(reader)).toEqual(expected(bytes, 1 << 20));
      }),
      { seed: 21, numRuns: 2000 },
    );
  });

  it("measures over-long lines in a buffer that is smaller than they are", async () => {
    await fc.assert(
      fc.asyncProperty(text, pieces, fc.integer({ min: 1, max: 12 }), async (bytes, sizes, max) => {
        const reader = new LineReader(new PieceSource(bytes, sizes), {
          maxLineBytes: max,
          buffer: Buffer.alloc(max + 3),
        });
        const found = await lines(reader);
        // A CR before the LF of an over-long line may be counted as part of it.
        const normal = (all: Line[]): unknown =>
          all.map(([event, at, line]) => [event, at, event === "line" ? line : ""]);
        expect(normal(found)).toEqual(normal(expected(bytes, max)));
        expect(reader.bytes.length).toBeLessThanOrEqual(max + 4);
      }),
      { seed: 22, numRuns: 3000 },
    );
  });

  it("tells what an input broke off with, even when it is nothing", async () => {
    await fc.assert(
      fc.asyncProperty(text, pieces, async (bytes, sizes) => {
        const failure = new Rejection("truncated-gzip", "", 0);
        const reader = new LineReader(new PieceSource(bytes, sizes, failure), { maxLineBytes: 1 << 20 });
        const found = await lines(reader);
        const whole = expected(bytes, 1 << 20);
        const last =
          bytes.length > 0 && bytes.at(-1) !== 0x0a && !bytes.equals(Buffer.from("\ufeff"))
            ? whole.pop()
            : undefined;
        expect(found.slice(0, -1)).toEqual(whole);
        const [event, offset, rest] = found.at(-1)!;
        expect(event).toBe("broken");
        expect(offset).toBe(last?.[1] ?? bytes.length);
        expect(rest.replace(/\r$/, "")).toBe(last?.[2] ?? "");
      }),
      { seed: 23, numRuns: 2000 },
    );
  });

  it("gives the rest of the input as one document from the current line on", async () => {
    await fc.assert(
      fc.asyncProperty(text, pieces, fc.integer({ min: 5, max: 60 }), async (bytes, sizes, max) => {
        const reader = new LineReader(new PieceSource(bytes, sizes), {
          maxLineBytes: 1 << 20,
          buffer: Buffer.alloc(8),
        });
        await reader.fill();
        if (reader.next() === "none") return;
        const event = await reader.document(max);
        const offset = expected(bytes, 1 << 20)[0]![1];
        const rest = bytes.subarray(offset);
        if (rest.length > max) {
          expect(event).toBe("oversize");
          expect(reader.oversize).toMatchObject({ offset, length: rest.length });
          return;
        }
        expect(event).toBe("line");
        expect(reader.offset).toBe(offset);
        expect(reader.bytes[reader.end]).toBe(0);
        const found = reader.bytes.subarray(reader.start, reader.end);
        expect(found.toString("latin1").replaceAll("\r", "\n")).toBe(
          rest.toString("latin1").replaceAll("\r", "\n"),
        );
      }),
      { seed: 24, numRuns: 2000 },
    );
  });
});
