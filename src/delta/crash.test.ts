import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { quoteLiteral } from "#duckdb";
import { Lake, liveResources } from "#lake";
import type { ObjectStore } from "#storage";
import { ingest, patient } from "../../test/support/patients.js";
import { cleanPublished } from "./clean.js";
import { DeltaLog } from "./delta-log.js";
import { defaultTarget, publishDelta, publishUnleased } from "./publish-delta.js";
import { publishStatus } from "./status.js";

const TABLE = "resources/Patient";
const WRITES = ["putIfAbsent", "publish", "makeDurable", "delete", "deleteMany"];

/** A store whose process dies at its n-th write, just before or just after it took effect: from then on nothing works. */
function dying(store: ObjectStore, at: number, after: boolean): { store: ObjectStore; writes: () => number } {
  let writes = 0;
  let dead = false;
  const proxy = new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      const method = value.bind(target) as (...given: unknown[]) => unknown;
      // These do not answer promises.
      if (name === "hold" || name === "list") return method;
      return async (...given: unknown[]): Promise<unknown> => {
        if (dead) throw new Error("dead");
        if (WRITES.includes(String(name)) && writes++ === at) {
          dead = true;
          if (after) await method(...given);
          throw new Error("killed");
        }
        return method(...given);
      };
    },
  });
  return { store: proxy, writes: () => writes };
}

async function ids(lake: Lake, select: string): Promise<string[]> {
  const rows = await lake.database.with((c) =>
    c.rows<{ row: string }>(`SELECT row FROM (${select}) ORDER BY 1`),
  );
  return rows.map((one) => one.row);
}

const ROW = "_lake_id || ' ' || gender || ' ' || _lake_last_updated AS row";

async function lakeRows(lake: Lake, snapshot: number): Promise<string[]> {
  const { relation } = await liveResources(
    lake,
    "Patient",
    (await lake.history.at(snapshot)).tables["Patient"]!,
  );
  return ids(lake, `SELECT ${ROW} FROM ${relation}`);
}

async function publishedRows(lake: Lake): Promise<{ version: number; rows: string[]; files: string[] }> {
  const state = await new DeltaLog(lake.database, defaultTarget(lake.store), TABLE).read();
  const files = await Promise.all(
    [...state.files.keys()].map((name) => lake.store.localPath(`published/${TABLE}/${name}`)),
  );
  const list = files.map(quoteLiteral).join(", ");
  const rows =
    files.length === 0
      ? []
      : await ids(lake, `SELECT ${ROW} FROM read_parquet([${list}], union_by_name = true)`);
  return { version: state.version, rows, files: files.map((file) => path.basename(file)).sort() };
}

let scratch: string;
let before: string;

beforeAll(async () => {
  scratch = await mkdtemp(path.join(tmpdir(), "fhir-lake-crash-"));
  before = path.join(scratch, "before");
  const lake = await Lake.open({ location: before });
  await ingest(
    lake,
    Array.from({ length: 20 }, (_, i) => patient(`p${i}`, 1)),
  );
  await publishDelta(lake);
  // Nine versions, so that the next one is followed by a checkpoint.
  for (let i = 0; i < 9; i++) {
    await ingest(lake, [patient(`n${i}`, 1)]);
    await publishDelta(lake);
  }
  await ingest(lake, [patient("p3", 5, "male"), { deleted: "Patient/n2", at: "2026-01-01T02:00:00Z" }]);
  await lake.close();
}, 60_000);

afterAll(() => rm(scratch, { recursive: true, force: true }));

/** Publishes over a copy of the prepared lake with a store that dies, then checks and repairs it with a healthy one. */
async function dieAndRecover(at: number, after: boolean): Promise<boolean> {
  const location = path.join(scratch, `${at}-${String(after)}`);
  await cp(before, location, { recursive: true });
  const first = await Lake.open({ location });
  const { store, writes } = dying(first.store, at, after);
  const died = await publishUnleased(first, { target: { store, prefix: "published/" } }).then(
    () => false,
    () => true,
  );
  const reached = writes() > at;
  await first.close();
  const lake = await Lake.open({ location });
  try {
    const head = (await lake.head()).id;
    const seen = await publishedRows(lake);
    expect([9, 10]).toContain(seen.version);
    expect(seen.rows).toEqual(await lakeRows(lake, seen.version === 9 ? head - 1 : head));
    await publishUnleased(lake, {});
    const now = await publishedRows(lake);
    expect(now.version).toBe(10);
    expect(now.rows).toEqual(await lakeRows(lake, head));
    expect((await publishStatus(lake, defaultTarget(lake.store))).lagSnapshots).toBe(0);
    await cleanPublished(lake, defaultTarget(lake.store), { retentionMs: 0 });
    const left: string[] = [];
    for await (const { key } of lake.store.list(`published/${TABLE}/`)) {
      if (!key.includes("/_delta_log/")) left.push(path.basename(key));
    }
    expect(left.sort()).toEqual(now.files);
    expect((await publishedRows(lake)).rows).toEqual(now.rows);
  } finally {
    await lake.close();
    await rm(location, { recursive: true, force: true });
  }
  expect(died).toBe(reached);
  return reached;
}

describe("a publisher that dies", () => {
  it.each([
    ["before", false],
    ["after", true],
  ])(
    "just %s any of its writes leaves a whole version, and the next one completes it without orphans",
    async (_, after) => {
      let points = 0;
      while (await dieAndRecover(points, after)) points++;
      expect(points).toBeGreaterThanOrEqual(8);
    },
    240_000,
  );
});
