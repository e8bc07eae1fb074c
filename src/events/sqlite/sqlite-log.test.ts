import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "@photostructure/sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { setBack } from "../../../test/support/set-back.js";
import { eventStoreContract } from "../event-store.contract.js";
import { EventStore } from "../event-store.js";
import { SqliteJournal } from "./sqlite-journal.js";
import { SqliteLog } from "./sqlite-log.js";

eventStoreContract("SQLite", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-journal-"));
  const file = path.join(folder, "sub", "journal.sqlite");
  return { open: () => SqliteLog.open(file), end: () => rm(folder, { recursive: true }) };
});

describe("a journal in a SQLite file", () => {
  let folder: string;
  let file: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-journal-"));
    file = path.join(folder, "journal.sqlite");
  });
  afterEach(() => rm(folder, { recursive: true }));

  const append = (store: EventStore, payload: string): Promise<unknown> =>
    store.append({
      stream: "changes/main",
      events: [{ type: "changed", data: {}, payload, subject: "p1" }],
      expected: "any",
    });

  it("refuses to change or remove an event, whoever asks", async () => {
    const store = new EventStore(await SqliteLog.open(file));
    await append(store, "text");
    await store.close();
    const db = new DatabaseSync(file);
    expect(() => db.exec("UPDATE events SET type = 'other'")).toThrow("append-only");
    expect(() => db.exec("DELETE FROM events")).toThrow("append-only");
    db.close();
  });

  it("takes over a journal of the first format", async () => {
    const store = new EventStore(await SqliteLog.open(file));
    await append(store, "first");
    await store.close();
    const db = new DatabaseSync(file);
    db.exec("ALTER TABLE subject_keys DROP COLUMN since");
    db.exec("PRAGMA user_version = 1");
    db.close();
    const again = new EventStore(await SqliteLog.open(file));
    await append(again, "second");
    expect((await again.readAll(0, 10)).map((event) => event.payload)).toEqual(["first", "second"]);
    await again.close();
  });

  it("leaves neither payload nor key of a shredded subject readable in any of its files", async () => {
    const store = new EventStore(await SqliteLog.open(file));
    await append(store, "the canary text");
    const db = new DatabaseSync(file);
    const { key } = db.prepare("SELECT key FROM subject_keys").get() as { key: Uint8Array };
    db.close();
    const found = async (needle: Uint8Array): Promise<string[]> => {
      const names = await readdir(folder);
      const contents = await Promise.all(names.map((name) => readFile(path.join(folder, name))));
      return names.filter((_, index) => contents[index]!.includes(Buffer.from(needle)));
    };
    expect(await found(key)).not.toEqual([]);
    expect(await store.shred(["p1"])).toBe(1);
    expect(await found(key)).toEqual([]);
    expect(await found(Buffer.from("canary"))).toEqual([]);
    await store.close();
  });

  it("leaves no key of many shredded subjects in its files either, nor after a trim", async () => {
    const store = new EventStore(await SqliteLog.open(file));
    const subjects = Array.from({ length: 400 }, (_, n) => `p${n}`);
    const events = subjects.map((subject) => ({ type: "changed", data: {}, payload: "text", subject }));
    await store.append({ stream: "changes/main", events, expected: "any" });
    await store.trim("changes/", 1);
    const db = new DatabaseSync(file);
    const keys = db.prepare("SELECT key FROM subject_keys").all() as { key: Uint8Array }[];
    db.close();
    expect(keys).toHaveLength(399);
    expect(await store.shred(subjects)).toBe(399);
    const contents = Buffer.concat(
      await Promise.all((await readdir(folder)).map((name) => readFile(path.join(folder, name)))),
    );
    expect(keys.filter(({ key }) => contents.includes(Buffer.from(key)))).toEqual([]);
    await store.close();
  });

  it("does not say that keys are destroyed while a reader keeps them in the write-ahead log", async () => {
    const store = new EventStore(await SqliteLog.open(file));
    await append(store, "text");
    const reader = new DatabaseSync(file);
    reader.exec("BEGIN");
    reader.prepare("SELECT count(*) FROM events").get();
    const journal = new SqliteJournal(file, 20);
    expect(() => journal.shred(["p1"])).toThrow("another process is still reading");
    reader.exec("COMMIT");
    expect(journal.shred(["p1"])).toBe(0);
    expect((await stat(`${file}-wal`)).size).toBe(0);
    journal.close();
    reader.close();
    await store.close();
  });

  it("notices an altered payload instead of answering it", async () => {
    const store = new EventStore(await SqliteLog.open(file));
    await append(store, "text");
    const db = new DatabaseSync(file);
    db.exec("DROP TRIGGER events_keep_content");
    db.exec("UPDATE events SET payload = zeroblob(length(payload))");
    db.close();
    await expect(store.readAll(0, 10)).rejects.toMatchObject({ code: "events/corrupt-journal" });
    await store.close();
  });

  it("tells a reader that it was set back, and hands over what is appended in the places of what it lost", async () => {
    const store = new EventStore(await SqliteLog.open(file));
    for (const text of ["1", "2", "3", "4", "5"]) await append(store, text);
    const seen: unknown[] = [];
    const told: unknown[] = [];
    const subscription = store.subscribe({
      name: "reader",
      pollMs: 20,
      handle: async (events) => {
        seen.push(...events.map(({ payload }) => payload));
      },
      onError: (error) => told.push(error),
    });
    await subscription.reached(5);
    setBack(file, 3);
    await expect
      .poll(() => told)
      .toMatchObject([{ code: "events/set-back", details: { head: 3, position: 5 } }]);
    for (const text of ["new 4", "new 5", "new 6"]) await append(store, text);
    await expect.poll(() => seen).toEqual(["1", "2", "3", "4", "5", "new 4", "new 5", "new 6"]);
    await subscription.stop();
    await store.close();
  });

  it("refuses a journal of a later format", async () => {
    const db = new DatabaseSync(file);
    db.exec("PRAGMA user_version = 99");
    db.close();
    await expect(SqliteLog.open(file)).rejects.toMatchObject({ code: "events/newer-journal" });
  });

  it("copies itself while it is open", async () => {
    const store = new EventStore(await SqliteLog.open(file));
    await append(store, "text");
    const copy = path.join(folder, "copy.sqlite");
    expect(await store.copyTo(copy)).toBe(copy);
    const copied = new EventStore(await SqliteLog.open(copy));
    expect(await copied.readAll(0, 10)).toEqual(await store.readAll(0, 10));
    await copied.close();
    await store.close();
  });

  it("says that the journal cannot be opened where a folder stands in its place", async () => {
    await expect(SqliteLog.open(folder)).rejects.toMatchObject({
      code: "events/unavailable",
      retryable: true,
    });
  });
});
