import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Database } from "#duckdb";
import { type CopyRequest, writeCopy } from "./write-copy.js";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-copy-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

function request(more: Partial<CopyRequest> = {}): CopyRequest {
  return {
    select: "SELECT uuid() AS _lake_key, lpad(i::VARCHAR, 9, '0') AS k, hash(i) AS h FROM range(90000) t(i)",
    rows: 90_000,
    clustered: "k",
    file: path.join(folder, "copy.duckdb"),
    mostBytes: 2 ** 30,
    memoryLimitBytes: 2 ** 27,
    signal: new AbortController().signal,
    ...more,
  };
}

describe("a copy of rows", () => {
  it("is one whole file that tells where keys lie", async () => {
    const { sizeBytes, groups } = await writeCopy(request());
    expect(await readdir(folder)).toEqual(["copy.duckdb"]);
    expect((await stat(path.join(folder, "copy.duckdb"))).size).toBe(sizeBytes);
    expect(groups!.span({ column: "k", from: "000020479", to: "000020480" })).toEqual({
      first: 79,
      last: 80,
    });
    expect(groups!.span({ column: "k", from: "000089999" })).toEqual({ first: 351, last: 351 });
    const database = await Database.open({ path: path.join(folder, "copy.duckdb"), readOnly: true });
    const rows = await database.with((connection) =>
      connection.rows("SELECT count(DISTINCT _lake_key)::INTEGER AS n, max(_lake_group) AS last FROM copied"),
    );
    database.close();
    expect(rows).toEqual([{ n: 90_000, last: "351" }]);
    await rm(path.join(folder, "copy.duckdb"));
  });

  it.each([
    ["outgrows its bound", { mostBytes: 1_000_000 }, "query/copy-too-big"],
    ["has not as many rows as it should", { rows: 90_001 }, "query/copy-differs"],
    ["is cancelled", { signal: AbortSignal.abort() }, "duckdb/interrupted"],
    ["reads what cannot be read", { select: "SELECT error('broken') AS k" }, "duckdb/query-failed"],
  ])("that %s leaves nothing", async (_what, more, code) => {
    await expect(writeCopy(request(more))).rejects.toMatchObject({ code });
    expect(await readdir(folder)).toEqual([]);
  });
});
