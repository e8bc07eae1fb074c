import { open, rename } from "node:fs/promises";
import { LakeError } from "#kernel";
import { storageFailure } from "#storage";

const BUFFERED_LINES = 5000;

/** Writes `lines` to a file that appears whole or not at all. Answers how many there were. */
export async function writeLines(file: string, lines: AsyncIterable<string>): Promise<number> {
  const temporary = `${file}.part`;
  let count = 0;
  try {
    const handle = await open(temporary, "w");
    try {
      let buffer: string[] = [];
      for await (const line of lines) {
        count++;
        if (buffer.push(line) < BUFFERED_LINES) continue;
        await handle.appendFile(`${buffer.join("\n")}\n`);
        buffer = [];
      }
      if (buffer.length > 0) await handle.appendFile(`${buffer.join("\n")}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    return count;
  } catch (error) {
    throw error instanceof LakeError ? error : storageFailure("write", file, error);
  }
}
