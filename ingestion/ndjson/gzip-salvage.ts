import { type FileHandle, open } from "node:fs/promises";
import { constants, createGunzip, type Gunzip } from "node:zlib";

const COARSE_BYTES = 64 * 1024;
/** Sizes of the pieces of input around the damage, one pass each; the last pass loses no byte that can be unpacked. */
const FINE_BYTES = [1024, 1];

interface Pass {
  readonly tail: Buffer;
  /** Input bytes that were unpacked without an error. */
  readonly accepted: number;
  readonly failed: boolean;
}

/** How far the strict pass came: unpacked bytes that were delivered, input bytes that were taken without an error. */
export interface StrictProgress {
  readonly delivered: number;
  readonly accepted: number;
}

/**
 * What a broken gzip file still holds behind the bytes that were delivered already. zlib drops the output of the call
 * in which it finds the damage, so the file is unpacked again with smaller and smaller pieces of input around that
 * place, and an end that comes too early is no error here.
 */
export async function salvageGzip(file: string, progress: StrictProgress): Promise<Buffer> {
  let { accepted } = progress;
  let tail: Buffer = Buffer.alloc(0);
  for (const pieceBytes of FINE_BYTES) {
    const pass = await unpackAgain(file, { skip: progress.delivered, fineFrom: accepted, pieceBytes });
    ({ tail, accepted } = pass);
    if (!pass.failed) break;
  }
  return tail;
}

async function unpackAgain(
  file: string,
  how: { readonly skip: number; readonly fineFrom: number; readonly pieceBytes: number },
): Promise<Pass> {
  const tail: Buffer[] = [];
  let seen = 0;
  const gunzip = createGunzip({ finishFlush: constants.Z_SYNC_FLUSH });
  // Failures are told by the callbacks of `write` and `end`.
  gunzip.on("error", () => undefined);
  gunzip.on("data", (chunk: Buffer) => {
    const from = Math.max(0, how.skip - seen);
    seen += chunk.length;
    if (from < chunk.length) tail.push(chunk.subarray(from));
  });
  const handle = await open(file);
  try {
    const { accepted, failed } = await feed(handle, gunzip, how);
    return { tail: Buffer.concat(tail), accepted, failed };
  } finally {
    gunzip.destroy();
    await handle.close();
  }
}

async function feed(
  handle: FileHandle,
  gunzip: Gunzip,
  how: { readonly fineFrom: number; readonly pieceBytes: number },
): Promise<{ accepted: number; failed: boolean }> {
  let accepted = 0;
  for (;;) {
    const coarse = Math.min(COARSE_BYTES, how.fineFrom - accepted);
    const piece = Buffer.alloc(coarse > 0 ? coarse : how.pieceBytes);
    const { bytesRead } = await handle.read(piece, 0, piece.length, accepted);
    const error = await new Promise((resolve) => {
      // A stream that has failed may drop the callback of a write; its `close` always comes.
      gunzip.once("close", () => resolve(gunzip.errored ?? undefined));
      if (bytesRead === 0) gunzip.end(resolve);
      else gunzip.write(piece.subarray(0, bytesRead), resolve);
    });
    gunzip.removeAllListeners("close");
    if (error instanceof Error) return { accepted, failed: true };
    if (bytesRead === 0) return { accepted, failed: false };
    accepted += bytesRead;
  }
}
