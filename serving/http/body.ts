import type { EncodedResult } from "#query";

/** Answers up to this size are complete in memory before the status is sent, so that their failures get a real status. */
const BUFFER_BYTES = 1024 * 1024;

/** A body that is ready to be sent. */
export interface ReadyBody {
  readonly body: Uint8Array | ReadableStream<Uint8Array>;
  /** Undefined when the answer is still being computed: it is then sent chunked. */
  readonly sizeBytes: number | undefined;
  /** Undefined as long as it is not known. */
  readonly rowCount: number | undefined;
}

/** What to do when a body has ended, well or not. `rowCount` counts the rows sent. */
export type BodyEnd = (outcome: {
  readonly error: unknown;
  readonly complete: boolean;
  readonly rowCount: number;
}) => void;

/** Who is to be told how a body fares. */
export interface BodyHooks {
  /** Stops the query; called when the client has gone or the body has failed. */
  readonly abort: () => void;
  /** Destroys the connection, where there is one. */
  readonly breakConnection: (() => void) | undefined;
  /** Called exactly once. */
  readonly end: BodyEnd;
}

/**
 * A stream of the parts read already and then of the rest, at the pace of its reader. A failure destroys the connection:
 * a chunked body without its end, or one short of its length, is visibly broken to every client.
 */
function streamed(
  result: EncodedResult,
  head: readonly Uint8Array[],
  hooks: BodyHooks,
): ReadableStream<Uint8Array> {
  const parts = [...head];
  let ended = false;
  const finish = async (error: unknown, complete: boolean) => {
    if (ended) return;
    ended = true;
    if (!complete) hooks.abort();
    // Closing stops a query that is still running; its own complaint about that is of no interest.
    await result.close().catch(() => undefined);
    hooks.end({ error, complete, rowCount: result.rowCount() });
  };
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        try {
          const buffered = parts.shift();
          const next =
            buffered === undefined ? await result.body.next() : { done: false as const, value: buffered };
          if (next.done !== true) {
            controller.enqueue(next.value);
            return;
          }
          await finish(undefined, true);
          controller.close();
        } catch (error) {
          // First the connection: an adapter that learns of the error might end the body properly with a message in it.
          hooks.breakConnection?.();
          await finish(error, false);
          if (hooks.breakConnection === undefined) controller.error(new Error("The answer failed part way."));
        }
      },
      cancel: async () => await finish(undefined, false),
    },
    { highWaterMark: 0 },
  );
}

/**
 * Reads the start of a result and decides how to send it: in one piece when it ends within the buffer, streamed otherwise.
 * A failure within the buffer is thrown.
 */
export async function readyBody(result: EncodedResult, hooks: BodyHooks): Promise<ReadyBody> {
  const head: Uint8Array[] = [];
  let size = 0;
  try {
    while (size <= BUFFER_BYTES) {
      const next = await result.body.next();
      if (next.done === true) {
        await result.close();
        hooks.end({ error: undefined, complete: true, rowCount: result.rowCount() });
        return { body: Buffer.concat(head), sizeBytes: size, rowCount: result.rowCount() };
      }
      head.push(next.value);
      size += next.value.byteLength;
    }
  } catch (error) {
    await result.close().catch(() => undefined);
    hooks.end({ error, complete: false, rowCount: 0 });
    throw error;
  }
  const sizeBytes = result.sizeBytes;
  const rowCount = sizeBytes === undefined ? undefined : result.rowCount();
  return { body: streamed(result, head, hooks), sizeBytes, rowCount };
}
