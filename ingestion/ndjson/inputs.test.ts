import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { probeInputs } from "./inputs.js";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "inputs-"));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

function make(name: string, content: string | Buffer = "{}\n"): string {
  const file = path.join(dir, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

describe("probing inputs", () => {
  it("finds the files of a folder recursively in name order", async () => {
    for (const name of [
      "b.ndjson",
      "a/2.jsonl",
      "a/1.json",
      "c.NDJSON.gz",
      "a.csv",
      ".x.ndjson",
      ".git/y.json",
    ]) {
      make(name);
    }
    const files = await probeInputs([dir]);
    expect(files.map((file) => path.relative(dir, file.name))).toEqual([
      path.join("a", "1.json"),
      path.join("a", "2.jsonl"),
      "b.ndjson",
      "c.NDJSON.gz",
    ]);
    expect(files.map((file) => file.layout)).toEqual(["detect", "lines", "lines", "lines"]);
    expect(files.map((file) => file.json)).toEqual([true, false, false, false]);
  });

  it("tells gzip by content, not by name", async () => {
    const [plain, packed] = await probeInputs([make("a.ndjson.gz", "{}"), make("b.ndjson", gzipSync("{}"))]);
    expect(plain).toMatchObject({ gzip: false, sizeBytes: 2 });
    expect(packed).toMatchObject({ gzip: true });
  });

  it("takes any file that is named itself, and an empty one", async () => {
    const [file] = await probeInputs([make("export.txt", "")]);
    expect(file).toMatchObject({ layout: "detect", sizeBytes: 0, gzip: false });
  });

  it("reads a file once that is named twice or linked", async () => {
    const file = make("a.ndjson");
    symlinkSync(file, path.join(dir, "b.ndjson"));
    symlinkSync(dir, path.join(dir, "loop"));
    expect(await probeInputs([dir, file, dir])).toHaveLength(1);
  });

  it("names standard input once", async () => {
    expect(await probeInputs(["-", make("a.ndjson"), "-"])).toMatchObject([
      { path: "-", sizeBytes: undefined },
      { gzip: false },
    ]);
  });

  it("refuses what is not there, naming it", async () => {
    const absent = path.join(dir, "absent.ndjson");
    await expect(probeInputs([absent])).rejects.toMatchObject({
      code: "ingestion/input-not-found",
      kind: "not-found",
      message: expect.stringContaining(absent) as string,
    });
    symlinkSync(absent, path.join(dir, "dangling.ndjson"));
    await expect(probeInputs([dir])).rejects.toMatchObject({ code: "ingestion/input-not-found" });
  });

  it("passes over a dangling link that would not be read", async () => {
    make("a.ndjson");
    symlinkSync(path.join(dir, "absent"), path.join(dir, "README"));
    expect(await probeInputs([dir])).toHaveLength(1);
  });

  it("refuses a folder without input, and no input at all", async () => {
    make("notes.txt");
    await expect(probeInputs([dir])).rejects.toMatchObject({
      code: "ingestion/no-input",
      kind: "invalid-input",
    });
    await expect(probeInputs([])).rejects.toMatchObject({ code: "ingestion/no-input" });
  });

  it.skipIf(process.platform === "win32")(
    "refuses what is neither file nor folder, with advice",
    async () => {
      await expect(probeInputs(["/dev/null"])).rejects.toMatchObject({
        code: "ingestion/unreadable-input",
        message: expect.stringContaining("standard input") as string,
      });
    },
  );

  it.skipIf(process.getuid?.() === 0)("refuses a folder or file without permission, naming it", async () => {
    const file = make("sub/a.ndjson");
    chmodSync(file, 0);
    await expect(probeInputs([dir])).rejects.toMatchObject({ code: "ingestion/unreadable-input" });
    chmodSync(path.dirname(file), 0);
    await expect(probeInputs([dir])).rejects.toMatchObject({
      code: "ingestion/unreadable-input",
      message: expect.stringContaining("permission denied") as string,
    });
    chmodSync(path.dirname(file), 0o755);
  });
});
