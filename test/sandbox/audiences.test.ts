import { readdir } from "node:fs/promises";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createParquetLake, manyRows, type ParquetLake } from "../support/parquet-lake.js";
import { sqlProcesses } from "../support/sql-processes.js";
import { type SqlSide, sqlOver } from "../support/sql-side.js";

let lake: ParquetLake;
let sql: SqlSide;

beforeAll(async () => {
  lake = await createParquetLake();
  await lake.commit([manyRows("many", 100)]);
});
beforeEach(async () => {
  sql = await sqlOver(lake.catalog, { most: 2 });
});
afterEach(() => sql.close());
afterAll(() => lake.close());

function pids(): number[] {
  return sqlProcesses()
    .map(({ pid }) => pid)
    .sort((a, b) => a - b);
}

/** Runs a statement, answers with the processes that are there after it. */
async function processesAfter(
  audience: string | undefined,
  statement = "SELECT count(*) FROM many",
): Promise<number[]> {
  // The process has ended, or waits again, a moment after its answer.
  await sql.texts({ sql: statement, audience });
  await new Promise((resolve) => setTimeout(resolve, 100));
  return pids();
}

describe("the process that SQL runs in", () => {
  it("takes the next statement of the same audience", async () => {
    const first = await processesAfter("a");
    expect(first).toHaveLength(1);
    expect(await processesAfter("a")).toEqual(first);
  });

  it("is given nothing of another audience once it has held data", async () => {
    const first = await processesAfter("a");
    const both = await processesAfter("b");
    expect(both).toHaveLength(2);
    expect(both).toEqual(expect.arrayContaining(first));
    expect(await processesAfter("a")).toEqual(both);
  });

  it("ends with its statement where no audience is named", async () => {
    expect(await processesAfter(undefined)).toEqual([]);
  });

  it("takes a statement of anybody as long as every one before was refused", async () => {
    await expect(sql.texts({ sql: "SELECT * FROM mayn", audience: "a" })).rejects.toThrow("no view named");
    const first = pids();
    expect(first).toHaveLength(1);
    expect(await processesAfter("b")).toEqual(first);
  });

  it("is not kept beside more others than may run at once: the one unused for longest goes", async () => {
    const [a] = await processesAfter("a");
    await processesAfter("b");
    await processesAfter("a");
    const kept = await processesAfter("c");
    expect(kept).toHaveLength(2);
    expect(kept).toContain(a);
  });

  it("ends with a statement after which it still holds more memory than one that rests may", async () => {
    await sql.close();
    sql = await sqlOver(lake.catalog, { restingBytes: 2 ** 20 });
    expect(await processesAfter("a")).toEqual([]);
  });

  it("leaves no folder behind when it ends, and no file of a statement while it waits", async () => {
    expect(await processesAfter("a", "SELECT n FROM many ORDER BY n")).toHaveLength(1);
    const [home] = await readdir(sql.temporaryFolder);
    expect(await readdir(path.join(sql.temporaryFolder, home!))).toEqual([]);
    await processesAfter(undefined);
    expect(await readdir(sql.temporaryFolder)).toEqual([home]);
  });

  it("runs statements over the views of another state when there is one", async () => {
    expect(await sql.texts({ sql: "SELECT count(*) FROM more", audience: "a" }).catch(() => "none")).toBe(
      "none",
    );
    await lake.commit([manyRows("many", 100), manyRows("more", 7)]);
    expect(await sql.texts({ sql: "SELECT count(*) FROM more", audience: "a" })).toEqual([["7"]]);
    await lake.commit([manyRows("many", 100), manyRows("more", 8)]);
    expect(await sql.texts({ sql: "SELECT count(*) FROM more", audience: "a" })).toEqual([["8"]]);
    expect(pids()).toHaveLength(1);
  });

  it("runs statements whose engine knows nothing of the ones before", async () => {
    await sql.texts({ sql: "SELECT setseed(0.5) FROM many LIMIT 1", audience: "a" }).catch(() => undefined);
    await sql.texts({ sql: "SELECT n FROM many LIMIT 3", limit: 2, audience: "a" });
    await expect(sql.texts({ sql: "SELECT * FROM _answer_of_the_user", audience: "a" })).rejects.toThrow(
      "no view named",
    );
  });
});
