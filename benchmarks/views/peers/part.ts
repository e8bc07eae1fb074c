import { createReadStream, createWriteStream, existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { finished } from "node:stream/promises";

/** The first lines of an NDJSON file in a file of the same name in a folder of its own; made once. */
export async function firstLines(file: string, lines: number): Promise<string> {
  const part = path.join(path.dirname(file), `first-${lines}`, path.basename(file));
  if (existsSync(part)) return part;
  mkdirSync(path.dirname(part), { recursive: true });
  const out = createWriteStream(part);
  let written = 0;
  for await (const line of createInterface({ input: createReadStream(file) })) {
    if (written++ === lines) break;
    out.write(`${line}\n`);
  }
  out.end();
  await finished(out);
  return part;
}
