import { open } from "node:fs/promises";
import { createInterface } from "node:readline";

/**
 * The lines of a text file without their ends, from when the first is asked for. A readline interface that is handed on instead loses what
 * it reads before somebody iterates over it (Node.js, readline, `rl[Symbol.asyncIterator]()`). Errors: the file system's.
 */
export async function* readLines(file: string): AsyncGenerator<string> {
  const handle = await open(file);
  try {
    const input = handle.createReadStream({ autoClose: false });
    yield* createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  } finally {
    await handle.close();
  }
}
