import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { Database } from "#duckdb";
import { LocalStore } from "#storage";
import { type Action, type AddFile, PROTOCOL } from "./action.js";
import { checkpointKey, DeltaLog, logKey } from "./delta-log.js";
import { evolve, NO_TABLE, type TableState } from "./table-state.js";

const database = await Database.open();
afterAll(() => database.close());

const TABLE = "views/v";

async function newLog() {
  const store = new LocalStore(await mkdtemp(path.join(tmpdir(), "fhir-lake-log-")));
  const target = { store, prefix: "published/" };
  return { store, target, log: new DeltaLog(database, target, TABLE) };
}

const add = (name: string): AddFile => ({
  path: name,
  partitionValues: {},
  size: 10,
  modificationTime: 5,
  dataChange: true,
  stats: '{"numRecords":1}',
  tags: { "fhirLake.source": `views/v/${name}` },
});

const commit = (version: number, ...actions: Action[]): Action[] => [
  {
    commitInfo: {
      timestamp: version,
      operation: "WRITE",
      operationParameters: {},
      engineInfo: "test",
      isBlindAppend: false,
      txnId: `t${version}-${Math.random()}`,
    },
  },
  { txn: { appId: "a", version, lastUpdated: 1 } },
  ...actions,
];

const first: Action[] = [
  { protocol: PROTOCOL },
  {
    metaData: {
      id: "00000000-0000-0000-0000-000000000001",
      name: TABLE,
      format: { provider: "parquet", options: {} },
      schemaString: '{"type":"struct","fields":[]}',
      partitionColumns: [],
      configuration: { "delta.checkpointInterval": "10" },
      createdTime: 1,
    },
  },
];

/** What counts of a state, whichever way it was read. */
function content(state: TableState) {
  return {
    version: state.version,
    protocol: state.protocol,
    metaData: state.metaData,
    transactions: [...state.transactions.values()],
    files: [...state.files.keys()].sort(),
    tags: [...state.files.values()].map((file) => file.tags),
    removed: [...state.removed.keys()].sort(),
  };
}

describe("a Delta log", () => {
  it("is without a table at first, and gives the files added and not removed later", async () => {
    const { log } = await newLog();
    expect((await log.read()).version).toBe(-1);
    const remove = {
      path: "a",
      deletionTimestamp: 9,
      dataChange: true,
      extendedFileMetadata: true,
      partitionValues: {},
      size: 10,
    };
    expect(await log.append(0, commit(0, ...first, { add: add("a") }, { add: add("b") }))).toBe(true);
    expect(await log.append(1, commit(1, { remove }, { add: add("c") }))).toBe(true);
    const state = await log.read();
    expect([...state.files.keys()]).toEqual(["b", "c"]);
    expect([...state.removed.keys()]).toEqual(["a"]);
    expect(state.transactions.get("a")?.version).toBe(1);
  });

  it("gives a version to one publisher only", async () => {
    const { log } = await newLog();
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_, i) => log.append(0, commit(0, ...first, { add: add(`f${i}`) }))),
    );
    expect(outcomes.filter((won) => won)).toHaveLength(1);
    expect((await log.read()).files.size).toBe(1);
  });

  it("knows its own version after an unclear outcome", async () => {
    const { log, store } = await newLog();
    const actions = commit(0, ...first);
    const putIfAbsent = store.putIfAbsent.bind(store);
    store.putIfAbsent = async (key, bytes) => {
      await putIfAbsent(key, bytes);
      throw new Error("timeout");
    };
    expect(await log.append(0, actions)).toBe(true);
    await expect(log.append(0, commit(0))).rejects.toThrow("timeout");
  });

  it("reads the same from a checkpoint as from all versions, and forgets files removed long ago", async () => {
    const { log, store, target } = await newLog();
    let state = NO_TABLE;
    for (let version = 0; version < 4; version++) {
      const remove = {
        path: `f${version - 1}`,
        deletionTimestamp: version,
        dataChange: true,
        extendedFileMetadata: true,
        partitionValues: {},
        size: 10,
      };
      const actions = commit(
        version,
        ...(version === 0 ? first : [{ remove }]),
        { add: add(`f${version}`) },
        { add: add(`g${version}`) },
      );
      await log.append(version, actions);
      state = evolve(state, version, actions);
    }
    await log.checkpoint(state, 1);
    const removed = [...state.removed.keys()].filter((name) => name !== "f0").sort();
    expect(content(await log.read())).toEqual({ ...content(state), removed });
    for (let version = 0; version < 3; version++) await store.delete(logKey(target, TABLE, version));
    expect(content(await log.read())).toEqual({ ...content(state), removed });
    await store.delete("published/views/v/_delta_log/_last_checkpoint");
    expect((await log.read()).checkpointVersion).toBe(3);
    expect(await store.localPath(checkpointKey(target, TABLE, 3))).toContain(
      "00000000000000000003.checkpoint.parquet",
    );
  });
});
