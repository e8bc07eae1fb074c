import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Rejection } from "../quarantine/reason.js";
import { type ByteSource, gzipFileSource, lineStart, PlainFileSource, streamSource } from "./byte-source.js";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), "source-"));
});
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

function file(bytes: Uint8Array): string {
  const name = path.join(dir, randomBytes(8).toString("hex"));
  writeFileSync(name, bytes);
  return name;
}

async function drain(source: ByteSource, size = 1000): Promise<{ bytes: Buffer; failure?: Rejection }> {
  const pieces: Buffer[] = [];
  const buffer = Buffer.alloc(size);
  try {
    for (;;) {
      const count = await source.read(buffer, 0, size);
      if (count === 0) return { bytes: Buffer.concat(pieces) };
      pieces.push(Buffer.from(buffer.subarray(0, count)));
    }
  } catch (error) {
    if (!(error instanceof Rejection)) throw error;
    return { bytes: Buffer.concat(pieces), failure: error };
  } finally {
    source.close();
  }
}

/** Text that packs well but not too well. */
const text = Buffer.from(
  Array.from({ length: 20_000 }, (_, i) => `line ${i} ${(i * 7919) % 10_007}`).join("\n"),
);

describe("plain files", () => {
  it("are read from the given byte on", async () => {
    const source = new PlainFileSource(file(text), 5);
    expect((await drain(source)).bytes.equals(text.subarray(5))).toBe(true);
    expect(source.consumedBytes).toBe(text.length - 5);
  });

  it("divided into ranges give every line to one range", () => {
    const lines = Buffer.from("a\n\nbbb\r\ncccccccccccccccccccccc\nd\n\n\neeeeeee\nlast");
    const name = file(lines);
    const starts = [0, ...[...lines.keys()].filter((i) => lines[i] === 0x0a).map((i) => i + 1)];
    for (let size = 1; size <= lines.length; size++) {
      const owned: number[] = [];
      for (let start = 0; start < lines.length; start += size) {
        const end = start + size < lines.length ? start + size : undefined;
        const first = lineStart(name, start, end);
        owned.push(...starts.filter((at) => at >= first && at < (end ?? lines.length)));
        expect(first === (end ?? lines.length) || starts.includes(first)).toBe(true);
      }
      expect(owned).toEqual(starts);
    }
  });

  it("that cannot be opened are named", () => {
    expect(() => new PlainFileSource(path.join(dir, "absent"), 0)).toThrow(
      /There is no file or folder '.*absent'/,
    );
    expect(() => new PlainFileSource(path.join(dir, "absent"), 0)).toThrow(
      expect.objectContaining({ code: "ingestion/input-not-found" }),
    );
  });

  it("whose reading fails give a typed error", () => {
    const source = new PlainFileSource(dir, 0);
    expect(() => source.read(Buffer.alloc(10), 0, 10)).toThrow(
      expect.objectContaining({ code: "ingestion/read-failed", kind: "unavailable" }),
    );
    source.close();
  });
});

describe("gzip files", () => {
  it("of one or more members are unpacked whole", async () => {
    const one = gzipSync(text);
    for (const packed of [one, Buffer.concat([one, gzipSync(Buffer.alloc(0)), gzipSync("more")])]) {
      const source = gzipFileSource(file(packed));
      const { bytes, failure } = await drain(source);
      expect(failure).toBeUndefined();
      expect(bytes.subarray(0, text.length).equals(text)).toBe(true);
      expect(bytes.length).toBe(packed === one ? text.length : text.length + 4);
      expect(source.consumedBytes).toBe(packed.length);
    }
  });

  it("may be padded with zeros", async () => {
    const { bytes, failure } = await drain(
      gzipFileSource(file(Buffer.concat([gzipSync(text), Buffer.alloc(512)]))),
    );
    expect(failure).toBeUndefined();
    expect(bytes.equals(text)).toBe(true);
  });

  it("cut at any byte give nearly all that is in the part and say that it is truncated", async () => {
    const packed = gzipSync(text);
    for (let cut = 20; cut < packed.length; cut += 7919) {
      const { bytes, failure } = await drain(gzipFileSource(file(packed.subarray(0, cut))));
      expect(failure?.code).toBe("truncated-gzip");
      expect(bytes.equals(text.subarray(0, bytes.length))).toBe(true);
      // A deflate block's code table and what the decoder holds back: a few kilobytes at the start.
      expect(bytes.length / text.length).toBeGreaterThan(cut / packed.length - 0.1);
    }
  });

  it("cut within the trailer still give everything", async () => {
    const packed = gzipSync(text);
    const { bytes, failure } = await drain(gzipFileSource(file(packed.subarray(0, -3))));
    expect(failure?.code).toBe("truncated-gzip");
    expect(bytes.equals(text)).toBe(true);
  });

  it("that are damaged give what comes before and say so", async () => {
    const packed = gzipSync(text);
    const at = Math.floor(packed.length / 2);
    packed.fill(0xff, at, at + 50);
    const { bytes, failure } = await drain(gzipFileSource(file(packed)));
    expect(failure?.code).toBe("corrupt-gzip");
    expect(bytes.length).toBeGreaterThan(text.length * 0.4);
    expect(bytes.subarray(0, text.length * 0.4).equals(text.subarray(0, text.length * 0.4))).toBe(true);
  });

  it("with a wrong checksum are damaged", async () => {
    const packed = gzipSync(text);
    packed[packed.length - 6]! ^= 1;
    const { bytes, failure } = await drain(gzipFileSource(file(packed)));
    expect(failure?.code).toBe("corrupt-gzip");
    expect(bytes.equals(text)).toBe(true);
  });

  it("followed by garbage are damaged", async () => {
    const garbage = Buffer.from("this is not a gzip member at all, but it is long enough");
    const { bytes, failure } = await drain(gzipFileSource(file(Buffer.concat([gzipSync(text), garbage]))));
    expect(failure?.code).toBe("corrupt-gzip");
    expect(bytes.equals(text)).toBe(true);
  });
});

describe("streams", () => {
  it("are unpacked when they start as gzip does, however they are chopped", async () => {
    const cases = ["", "x", "xy", "some text", text].flatMap((plain) => [
      { plain, bytes: Buffer.from(plain) },
      { plain, bytes: gzipSync(plain) },
    ]);
    for (const { plain, bytes } of cases) {
      for (const size of [bytes.length > 100 ? 1000 : 1, 1 << 20]) {
        const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
          bytes.subarray(i * size, (i + 1) * size),
        );
        const found = await drain(
          await streamSource(Readable.from(pieces, { objectMode: false }), "a stream"),
        );
        expect(found.failure).toBeUndefined();
        expect(found.bytes.equals(Buffer.from(plain))).toBe(true);
      }
    }
  });

  it("of broken gzip say so", async () => {
    const packed = gzipSync(text).subarray(0, -100);
    const { failure } = await drain(await streamSource(Readable.from([packed]), "a stream"));
    expect(failure?.code).toBe("truncated-gzip");
  });

  it("that fail give a typed error", async () => {
    async function* failing(): AsyncGenerator<Buffer> {
      yield Buffer.from("abc");
      await Promise.resolve();
      throw Object.assign(new Error("pipe"), { code: "EPIPE" });
    }
    const source = await streamSource(Readable.from(failing()), "a stream");
    await expect(drain(source)).rejects.toMatchObject({ code: "ingestion/read-failed" });
  });
});
