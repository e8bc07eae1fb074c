import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";

const LAST_UPDATED = /"lastUpdated":"[^"]*"/;

/** A resource as its server would send it after a change: the time of its last update is now. */
export function changedNow(line: string, now = new Date()): string {
  return line.replace(LAST_UPDATED, `"lastUpdated":"${now.toISOString()}"`);
}

/** Lines that stand for several resources each, with ids of their own: many resources in little memory. */
export class LineVariants {
  readonly length: number;
  private readonly lines: readonly string[];

  constructor(lines: readonly string[], variants: number) {
    this.lines = lines;
    this.length = lines.length * variants;
  }

  at(index: number): string {
    const line = this.lines[index % this.lines.length]!;
    const variant = Math.floor(index / this.lines.length);
    return variant === 0 ? line : line.replace(/"id":"([^"]*)"/, `"id":"$1-${variant}"`);
  }
}

async function* linesOf(files: readonly string[]): AsyncGenerator<string> {
  for (const file of files) {
    for await (const line of createInterface({ input: createReadStream(file) })) if (line !== "") yield line;
  }
}

/** Every n-th line of NDJSON files, at most `most`, so that every type is there in its share. No more than these are in memory. */
export async function sampleLines(files: readonly string[], most: number): Promise<string[]> {
  let count = 0;
  for await (const _ of linesOf(files)) count++;
  const step = Math.max(1, Math.floor(count / most));
  const taken: string[] = [];
  let index = 0;
  for await (const line of linesOf(files)) {
    if (taken.length === most) break;
    if (index++ % step === 0) taken.push(line);
  }
  // Types take turns as they would when a hospital's day is sent; a fixed order, so that runs are alike.
  let state = 12_345;
  for (let i = taken.length - 1; i > 0; i--) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    const j = state % (i + 1);
    [taken[i], taken[j]] = [taken[j]!, taken[i]!];
  }
  return taken;
}
