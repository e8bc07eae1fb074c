import { closeSync, createReadStream, openSync, readSync } from "node:fs";
import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { readFailed, unreadable } from "../errors.js";
import { Rejection } from "../quarantine/reason.js";
import { salvageGzip } from "./gzip-salvage.js";

const GZIP_CHUNK_BYTES = 256 * 1024;

/** A stream of bytes that is pulled, so that the reader's buffer is the only large memory there is. */
export interface ByteSource {
  /** Input bytes taken so far; compressed ones for gzip. For progress only. */
  readonly consumedBytes: number;
  /**
   * Reads up to `length` bytes to `target[at]`; 0 is the end. Throws a {@link Rejection} (`truncated-gzip`,
   * `corrupt-gzip`) after everything that could still be unpacked was delivered, and a LakeError for failed I/O.
   */
  read(target: Buffer, at: number, length: number): number | Promise<number>;
  close(): void;
}

/** True for the two bytes every gzip member starts with. */
export function isGzip(head: Uint8Array): boolean {
  return head.length >= 2 && head[0] === 0x1f && head[1] === 0x8b;
}

/** An uncompressed file from byte `start` on. */
export class PlainFileSource implements ByteSource {
  consumedBytes = 0;
  private readonly file: string;
  private readonly fd: number;
  private position: number;

  constructor(file: string, start: number) {
    this.file = file;
    this.position = start;
    try {
      this.fd = openSync(file, "r");
    } catch (error) {
      throw unreadable(file, error);
    }
  }

  read(target: Buffer, at: number, length: number): number {
    try {
      const count = readSync(this.fd, target, at, length, this.position);
      this.position += count;
      this.consumedBytes += count;
      return count;
    } catch (error) {
      throw readFailed(this.file, error);
    }
  }

  close(): void {
    closeSync(this.fd);
  }
}

interface ChunkHooks {
  /** What remains to be delivered after the stream failed, and what is thrown then. */
  readonly onError: (error: unknown, delivered: number) => Promise<{ tail: Buffer; failure: unknown }>;
  readonly onClose: () => void;
  /** Input bytes taken, where that is not what the stream gave. */
  readonly consumed?: () => number;
}

const LF = 0x0a;
const SEEK_BYTES = 256 * 1024;

/**
 * Where the first line begins that starts in [start, end) of a file; `end` when none does. Not a byte beyond `end` is
 * looked at, so that a line across many ranges is read by its owner alone.
 */
export function lineStart(file: string, start: number, end: number | undefined): number {
  if (start === 0) return 0;
  const source = new PlainFileSource(file, start - 1);
  try {
    const buffer = Buffer.allocUnsafe(SEEK_BYTES);
    const last = end ?? Number.POSITIVE_INFINITY;
    for (let at = start - 1; at < last; ) {
      const count = source.read(buffer, 0, Math.min(SEEK_BYTES, last - at));
      if (count === 0) return at;
      const lf = buffer.subarray(0, count).indexOf(LF);
      if (lf >= 0) return at + lf + 1;
      at += count;
    }
    return last;
  } finally {
    source.close();
  }
}

/** The chunks of a Node stream as a pulled source. */
class ChunkSource implements ByteSource {
  private pulled = 0;
  private delivered = 0;
  private readonly chunks: AsyncIterator<Buffer>;
  private pending: Buffer = Buffer.alloc(0);
  private readonly hooks: ChunkHooks;
  private failure: unknown;

  constructor(stream: Readable, hooks: ChunkHooks) {
    this.chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    this.hooks = hooks;
  }

  get consumedBytes(): number {
    return this.hooks.consumed?.() ?? this.pulled;
  }

  async read(target: Buffer, at: number, length: number): Promise<number> {
    while (this.pending.length === 0) {
      if (this.failure !== undefined) throw this.failure;
      if (!(await this.pull())) return 0;
    }
    const count = this.pending.copy(target, at, 0, length);
    this.pending = this.pending.subarray(count);
    this.delivered += count;
    return count;
  }

  close(): void {
    this.hooks.onClose();
  }

  private async pull(): Promise<boolean> {
    try {
      const next = await this.chunks.next();
      if (next.done === true) return false;
      this.pending = next.value;
      this.pulled += next.value.length;
    } catch (error) {
      const { tail, failure } = await this.hooks.onError(error, this.delivered);
      this.pending = tail;
      this.failure = failure;
    }
    return true;
  }
}

function gzipRejection(error: unknown): Rejection | undefined {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "Z_BUF_ERROR") {
    return new Rejection("truncated-gzip", "The compressed file ends early; fetch it again.", 0);
  }
  if (code?.startsWith("Z_") !== true) return undefined;
  return new Rejection("corrupt-gzip", "The compressed file is damaged from here on; fetch it again.", 0);
}

/** A gzip file of one or more members. */
export function gzipFileSource(file: string): ByteSource {
  const input = createReadStream(file, { highWaterMark: GZIP_CHUNK_BYTES });
  return gunzipSource(input, file, {
    rescue: (delivered, accepted) => salvageGzip(file, { delivered, accepted }),
    consumed: () => input.bytesRead,
  });
}

function gunzipSource(
  input: Readable,
  name: string,
  rest: {
    readonly rescue?: (delivered: number, accepted: number) => Promise<Buffer>;
    readonly consumed?: () => number;
  },
): ByteSource {
  const gunzip = createGunzip({ chunkSize: GZIP_CHUNK_BYTES });
  // The error reaches the reader through the iteration of `gunzip`, which the pipeline destroys with it.
  pipeline(input, gunzip, () => undefined);
  return new ChunkSource(gunzip, {
    onError: async (error, delivered) => {
      const rejection = gzipRejection(error);
      if (rejection === undefined) throw readFailed(name, error);
      return {
        tail: (await rest.rescue?.(delivered, gunzip.bytesWritten)) ?? Buffer.alloc(0),
        failure: rejection,
      };
    },
    onClose: () => {
      gunzip.destroy();
      input.destroy();
    },
    ...(rest.consumed === undefined ? {} : { consumed: rest.consumed }),
  });
}

/** A stream such as standard input, unpacked when it starts as gzip does. */
export async function streamSource(stream: Readable, name: string): Promise<ByteSource> {
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let head: Buffer = Buffer.alloc(0);
  while (head.length < 2) {
    const next = await chunks.next();
    if (next.done === true) break;
    head = Buffer.concat([head, Buffer.from(next.value)]);
  }
  const whole = Readable.from(resumed(head, chunks), { objectMode: false });
  if (isGzip(head)) return gunzipSource(whole, name, {});
  return new ChunkSource(whole, {
    onError: (error) => Promise.reject(readFailed(name, error)),
    onClose: () => whole.destroy(),
  });
}

async function* resumed(head: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield head;
  for (let next = await rest.next(); next.done !== true; next = await rest.next())
    yield Buffer.from(next.value);
}
