import type { Readable } from "node:stream";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { LakeError } from "#kernel";

/** What a body may be. */
export interface BodyLimits {
  /** Bytes after decompression. */
  readonly maxBytes: number;
  /** Told of every piece as received, before decompression. */
  readonly onReceived: (bytes: number) => void;
}

/** Up to here no ratio is looked at: short repetitive bodies compress well. */
const RATIO_FREE_BYTES = 256 * 1024 * 1024;
/** FHIR NDJSON shrinks 10 to 40 times; gzip itself cannot do more than about 1,030. */
const MAX_RATIO = 400;

function tooBig(what: string, reason: string): LakeError {
  return new LakeError(
    "unavailable",
    "source/answer-too-big",
    `The answer to ${what} ${reason}; ask for less at a time or raise the limit.`,
  );
}

async function* counted(source: AsyncIterable<Buffer>, onReceived: (bytes: number) => void) {
  for await (const chunk of source) {
    onReceived(chunk.length);
    yield chunk;
  }
}

async function* unzipped(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: 256 * 1024 });
  let failure: unknown;
  // The error reaches the reader through the iteration of `gunzip`, which the pipeline destroys with it.
  pipeline(source, gunzip, (error) => {
    failure = error;
  });
  try {
    yield* gunzip as AsyncIterable<Buffer>;
  } catch (error) {
    throw failure ?? error;
  }
}

/** Gives the first bytes back in front of the rest, once at least two are there. */
async function* unzippedWhenMarked(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const chunks = source[Symbol.asyncIterator]();
  let head: Buffer = Buffer.alloc(0);
  while (head.length < 2) {
    const next = await chunks.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  async function* whole(): AsyncGenerator<Buffer> {
    try {
      if (head.length > 0) yield head;
      for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value;
    } finally {
      await chunks.return?.();
    }
  }
  yield* head[0] === 0x1f && head[1] === 0x8b ? unzipped(whole()) : whole();
}

/**
 * The bytes of a body, decompressed while they arrive. `sniff`: a body that is itself a gzip file is unpacked too. Stops with
 * `source/answer-too-big` beyond the limit or at an impossible ratio, before more is taken in.
 */
export async function* readBody(
  stream: Readable,
  encoding: string | null,
  what: string,
  limits: BodyLimits & { readonly sniff: boolean },
): AsyncGenerator<Buffer> {
  let received = 0;
  let given = 0;
  const raw = counted(stream as AsyncIterable<Buffer>, (bytes) => {
    received += bytes;
    limits.onReceived(bytes);
  });
  const decoded = decode(raw, encoding, what);
  for await (const chunk of limits.sniff ? unzippedWhenMarked(decoded) : decoded) {
    given += chunk.length;
    if (given > limits.maxBytes) throw tooBig(what, `is larger than ${limits.maxBytes} bytes`);
    if (given > RATIO_FREE_BYTES && given > received * MAX_RATIO) {
      throw tooBig(what, `unpacks to more than ${MAX_RATIO} times its size`);
    }
    yield chunk;
  }
}

function decode(raw: AsyncIterable<Buffer>, encoding: string | null, what: string): AsyncIterable<Buffer> {
  switch (encoding?.trim().toLowerCase() ?? "") {
    case "":
    case "identity":
      return raw;
    case "gzip":
    case "x-gzip":
      return unzipped(raw);
    default:
      throw new LakeError(
        "unsupported",
        "source/bad-encoding",
        `The answer to ${what} has a content encoding that was not asked for; only gzip is read.`,
      );
  }
}
