import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileView } from "#compiler";
import { type Connection, Database } from "#duckdb";
import { runViewOnFiles } from "./one-shot.js";

let folder: string;
let database: Database;
let connection: Connection;

beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), "one-shot-test-"));
  database = await Database.open({ threads: 1 });
  connection = await database.connect();
});

afterAll(() => {
  connection.close();
  database.close();
  rmSync(folder, { recursive: true });
});

const view = compileView({ resource: "Patient", select: [{ column: [{ name: "id", path: "id" }] }] });
const good = '{"resourceType":"Patient","id":"a"}';

function fileOf(name: string, lines: readonly string[]): string {
  const file = path.join(folder, name);
  const text = `${lines.join("\n")}\n`;
  writeFileSync(file, name.endsWith(".gz") ? gzipSync(text) : text);
  return file;
}

describe("a view over NDJSON files", () => {
  it("passes over blank lines and resources of other types", async () => {
    const file = fileOf("good.ndjson", [good, "", "  ", '{"resourceType":"Organization","name":"x"}']);
    expect((await runViewOnFiles(connection, view, { files: [file] })).rows).toEqual([{ id: "a" }]);
  });

  it.each([
    ["cut off", '{"resourceType":"Patient","id":', "bad.ndjson"],
    ["no object", "[1,2]", "bad.ndjson"],
    ["an object of no type", '{"id":"b"}', "bad.ndjson"],
    ["cut off and compressed", '{"resourceType":"Patient","id":', "bad.ndjson.gz"],
  ])("names file and line of a line that is no resource: %s", async (_what, line, name) => {
    const file = fileOf(name, [good, good, line, good]);
    await expect(
      runViewOnFiles(connection, view, { files: [fileOf("first.ndjson", [good]), file] }),
    ).rejects.toMatchObject({
      code: "view/bad-line",
      kind: "invalid-input",
      details: { file: name, line: 3 },
    });
  });
});
