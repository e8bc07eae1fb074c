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
  // One at a time: a statement begins when the process of the one before it waits again, or is ended.
  sql = await sqlOver(lake.catalog, { most: 1 });
});
afterEach(() => sql.close());
afterAll(() => lake.close());

/** For what a process does after its answer, on a busy machine. */
const PATIENCE = { timeout: 10_000 };

function pids(): number[] {
  return sqlProcesses().map(({ pid }) => pid);
}

const count = (audience: string | undefined): Promise<(string | null)[][]> =>
  sql.texts({ sql: "SELECT count(*) FROM many", audience });

describe("the process that SQL runs in", () => {
  it("takes the next statement of the same audience", async () => {
    await count("a");
    const first = pids();
    expect(first).toHaveLength(1);
    await count("a");
    expect(pids()).toEqual(first);
  });

  it("is given nothing of another audience once it has held data, and makes room for the process of that one", async () => {
    await count("a");
    const [first] = pids();
    await count("b");
    await expect.poll(pids, PATIENCE).toHaveLength(1);
    const [second] = pids();
    expect(second).not.toBe(first);
    await count("b");
    expect(pids()).toEqual([second]);
  });

  it("ends with its statement where no audience is named", async () => {
    await count(undefined);
    await expect.poll(pids, PATIENCE).toEqual([]);
  });

  it("takes a statement of anybody as long as every one before was refused", async () => {
    await expect(sql.texts({ sql: "SELECT * FROM mayn", audience: "a" })).rejects.toThrow("no view named");
    const first = pids();
    expect(first).toHaveLength(1);
    await count("b");
    expect(pids()).toEqual(first);
  });

  it("ends with a statement after which it still holds more memory than one that rests may", async () => {
    await sql.close();
    sql = await sqlOver(lake.catalog, { restingBytes: 2 ** 20 });
    await count("a");
    await expect.poll(pids, PATIENCE).toEqual([]);
  });

  it("ends when it has waited for too long, whoever else asks meanwhile", async () => {
    await sql.close();
    sql = await sqlOver(lake.catalog, { most: 2, idleMs: 1_000 });
    await count("a");
    const [first] = pids();
    const others = async (): Promise<number[]> => {
      await count("b");
      return pids();
    };
    await expect.poll(others, PATIENCE).not.toContain(first);
  });

  it("ends when what was read must be forgotten, one that runs with its statement", async () => {
    await count("a");
    await sql.query.forget();
    await expect.poll(pids, PATIENCE).toEqual([]);
    await sql.ask({ sql: "SELECT n FROM many", audience: "a" }, async (answer) => {
      await sql.query.forget();
      expect(pids()).toHaveLength(1);
      expect(await answer.texts()).toHaveLength(100);
    });
    await expect.poll(pids, PATIENCE).toEqual([]);
  });

  it("leaves no folder behind when it ends, and no file of a statement while it waits", async () => {
    await sql.texts({ sql: "SELECT n FROM many ORDER BY n", audience: "a" });
    const [home] = await readdir(sql.temporaryFolder);
    await expect.poll(() => readdir(path.join(sql.temporaryFolder, home!)), PATIENCE).toEqual([]);
    await count(undefined);
    await expect.poll(() => readdir(sql.temporaryFolder), PATIENCE).toEqual([home]);
  });

  it("runs statements over the views of another state when there is one", async () => {
    const more = (): Promise<unknown> =>
      sql.texts({ sql: "SELECT count(*) FROM more", audience: "a" }).catch((error: Error) => error.message);
    expect(await more()).toMatch("no view named 'more'");
    await lake.commit([manyRows("many", 100), manyRows("more", 7)]);
    expect(await more()).toEqual([["7"]]);
    const first = pids();
    await lake.commit([manyRows("many", 100), manyRows("more", 8)]);
    expect(await more()).toEqual([["8"]]);
    expect(pids()).toEqual(first);
  });

  it("runs statements whose engine knows nothing of the ones before", async () => {
    await sql.texts({ sql: "SELECT n FROM many LIMIT 3", limit: 2, audience: "a" });
    await expect(sql.texts({ sql: "SELECT * FROM _answer_of_the_user", audience: "a" })).rejects.toThrow(
      "no view named",
    );
    expect(
      await sql.texts({ sql: "SELECT n FROM many ORDER BY n LIMIT 5", limit: 1, audience: "a" }),
    ).toHaveLength(1);
  });
});
