import type { ResultFormat } from "../format.js";
import type { EncodedResult, EncodeOptions } from "../result.js";
import { cancelled } from "./failure.js";
import { type Order, receivedError, type SentOptions } from "./protocol.js";
import type { SandboxProcess } from "./sandbox-process.js";

function sentOptions({ signal: _signal, metadata, ...options }: EncodeOptions): SentOptions {
  return { ...options, ...(metadata === undefined ? {} : { metadata: [...metadata] }) };
}

/** The bytes of one encoding, as they come; fails when the process says so or is gone before the last one. */
async function* bytesOf(process: SandboxProcess): AsyncGenerator<Uint8Array, void, undefined> {
  let received = 0;
  let expected: number | undefined;
  for (;;) {
    const changed = process.changed();
    const part = process.failure === undefined ? (process.bytes.read() as Uint8Array | null) : null;
    if (part !== null) {
      received += part.byteLength;
      yield part;
      continue;
    }
    const report = process.take();
    if (report?.type === "failed") throw receivedError(report.error);
    if (report?.type === "encoded") expected = report.bytes;
    if (received === expected) {
      process.encoding = false;
      return;
    }
    if (process.failure !== undefined) throw process.failure;
    if (report === undefined) await changed;
  }
}

/** Has the process encode its prepared statement. Nothing but this may be asked of the process until the body has ended. */
export async function encodeThere(
  process: SandboxProcess,
  format: ResultFormat | "texts",
  options: EncodeOptions,
): Promise<Omit<EncodedResult, "format">> {
  const order: Order = { type: "encode", format, options: sentOptions(options) };
  const { signal } = options;
  const abort = (): void => process.end(cancelled());
  if (signal?.aborted === true) abort();
  signal?.addEventListener("abort", abort, { once: true });
  process.encoding = true;
  const { sizeBytes } = await process.ask(order, "encoding");
  const body = bytesOf(process);
  return {
    body,
    ...(sizeBytes === undefined ? {} : { sizeBytes }),
    rowCount: () => process.rows,
    close: async () => {
      signal?.removeEventListener("abort", abort);
      await body.return();
    },
  };
}

/** The rows as text, all in memory. */
export async function textsThere(
  process: SandboxProcess,
  options: EncodeOptions,
): Promise<(string | null)[][]> {
  const { body, close } = await encodeThere(process, "texts", options);
  const parts: Uint8Array[] = [];
  try {
    for await (const part of body) parts.push(part);
  } finally {
    await close();
  }
  const lines = Buffer.concat(parts).toString("utf8").split("\n");
  return lines.slice(0, -1).map((line) => JSON.parse(line) as (string | null)[]);
}
