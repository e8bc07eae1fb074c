import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readLines } from "./read-lines.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-lines-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function linesOf(text: string, waitMs: number): Promise<string[]> {
  const file = path.join(folder, "lines.txt");
  await writeFile(file, text);
  const lines = readLines(file);
  await sleep(waitMs);
  const found: string[] = [];
  for await (const line of lines) found.push(line);
  return found;
}

describe("lines of a file", () => {
  it("are all there when somebody reads them at once, and when somebody reads them later", async () => {
    const text = "Practitioner/a\nBinary/1\r\n\nBinary/2";
    const lines = ["Practitioner/a", "Binary/1", "", "Binary/2"];
    expect(await linesOf(text, 0)).toEqual(lines);
    expect(await linesOf(text, 50)).toEqual(lines);
    expect(await linesOf("", 50)).toEqual([]);
  });

  it("end with an error when the file is not there", async () => {
    await expect(readLines(path.join(folder, "none.txt")).next()).rejects.toMatchObject({ code: "ENOENT" });
  });
});
