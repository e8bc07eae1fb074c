import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { readBody } from "./body.js";

async function read(
  body: Buffer | readonly Buffer[],
  options: { readonly encoding?: string; readonly sniff?: boolean; readonly maxBytes?: number } = {},
): Promise<{ readonly bytes: number; readonly text: string; readonly received: number }> {
  let received = 0;
  let bytes = 0;
  const head: Buffer[] = [];
  const stream = Readable.from(Buffer.isBuffer(body) ? [body] : body);
  for await (const chunk of readBody(stream, options.encoding ?? null, "GET x", {
    maxBytes: options.maxBytes ?? Number.POSITIVE_INFINITY,
    onReceived: (count) => {
      received += count;
    },
    sniff: options.sniff ?? false,
  })) {
    bytes += chunk.length;
    if (bytes < 1000) head.push(chunk);
  }
  return { bytes, text: Buffer.concat(head).toString(), received };
}

describe("a body", () => {
  it("is unpacked by its encoding, by its own mark, or both", async () => {
    const packed = gzipSync("hello");
    expect((await read(Buffer.from("hello"))).text).toBe("hello");
    expect((await read(packed, { encoding: "gzip" })).text).toBe("hello");
    expect((await read(packed, { encoding: "x-gzip", sniff: true })).text).toBe("hello");
    expect((await read(packed, { sniff: true })).text).toBe("hello");
    expect((await read(gzipSync(packed), { encoding: "GZIP", sniff: true })).text).toBe("hello");
    expect((await read(packed, { encoding: "gzip" })).received).toBe(packed.length);
  });

  it("that comes byte by byte, or not at all, is read as well", async () => {
    const packed = [...gzipSync("hello")].map((byte) => Buffer.of(byte));
    expect((await read(packed, { sniff: true })).text).toBe("hello");
    expect((await read(Buffer.alloc(0), { sniff: true })).bytes).toBe(0);
    expect((await read(Buffer.of(0x1f), { sniff: true })).bytes).toBe(1);
  });

  it("in an encoding that was not asked for is refused", async () => {
    await expect(read(Buffer.from("x"), { encoding: "br" })).rejects.toMatchObject({
      code: "source/bad-encoding",
    });
  });

  it("is cut off at the limit of size, before more is unpacked", async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    await expect(read(bomb, { encoding: "gzip", maxBytes: 1_000_000 })).rejects.toMatchObject({
      code: "source/answer-too-big",
    });
  });

  it("that unpacks to more than any text does is refused, whatever the limit of size", async () => {
    const member = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    const bomb = Array.from({ length: 12 }, () => member);
    await expect(read(bomb, { encoding: "gzip" })).rejects.toThrow(/times its size/);
  });
});
