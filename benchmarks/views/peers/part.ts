import { once } from "node:events";
import { createReadStream, createWriteStream, existsSync, mkdirSync } from "node:fs";
import { rename } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { finished } from "node:stream/promises";

/**
 * The first lines of an NDJSON file in a file of the same name in a folder of its own, since some engines read all that lies beside the
 * file; made once.
 */
export async function firstLines(file: string, lines: number): Promise<string> {
  const { dir, name, base } = path.parse(file);
  const part = path.join(dir, `${name}-first-${lines}`, base);
  if (existsSync(part)) return part;
  mkdirSync(path.dirname(part), { recursive: true });
  const out = createWriteStream(`${part}.part`);
  let written = 0;
  for await (const line of createInterface({ input: createReadStream(file) })) {
    if (written++ === lines) break;
    if (!out.write(`${line}\n`)) await once(out, "drain");
  }
  out.end();
  await finished(out);
  await rename(`${part}.part`, part);
  return part;
}
