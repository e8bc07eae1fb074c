import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type EventStore, openEventStore } from "#events";
import { restoreSnapshot } from "#lake";
import { declareLosses } from "../../src/app/declare-loss.js";
import { flushJournal } from "../../src/app/flush.js";
import { trimCovered } from "../../src/app/trim-journal.js";
import { appendChanges } from "../../src/speed/live-store.contract.js";
import { currentRows } from "../support/current-rows.js";
import { type FhirServer, startFhirServer } from "../support/fhir-server/index.js";
import { FollowedLake, familiesOf, named } from "../support/followed-lake.js";
import { SourceLake } from "../support/source-lake.js";

const PATIENT = ["Patient"];
const patient = (id: string): string => `{"resourceType":"Patient","id":"${id}"}`;

describe("a run after the lake was set back beyond what the journal keeps", () => {
  let folder: string;
  let server: FhirServer;
  let lake: SourceLake;
  let journal: EventStore;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-source-set-back-"));
    journal = await openEventStore({ file: path.join(folder, "journal.sqlite") });
    server = await startFhirServer({ export: { retryAfter: 0 } });
    for (let i = 1; i <= 3; i++) server.store.put("Patient", `p${i}`, patient(`p${i}`));
    lake = await SourceLake.open({ url: server.url, kind: "bulk", types: PATIENT });
    await lake.run();
  });
  afterEach(async () => {
    await journal.close();
    await lake.close();
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  const notified = async (id: string): Promise<number> => {
    await appendChanges(journal, [{ source: "main", id, clock: 1, deletes: false }]);
    return (await flushJournal(lake.lake, { journal, views: new Map() })).upTo;
  };
  const lose = async (): Promise<void> => {
    await notified("a");
    const { id } = await lake.lake.head();
    await trimCovered(lake.lake, journal, await notified("b"));
    await restoreSnapshot(lake.lake, id);
    await declareLosses(lake.lake, journal);
  };
  const loss = async (): Promise<unknown> => (await lake.lake.head()).sources["main"]!.loss;

  it("asks for everything, whatever the watermarks say, and only then nothing is missing any more", async () => {
    await lose();
    expect(await loss()).toMatchObject({ upTo: 3 });
    const { record } = await lake.run();
    expect(record).toMatchObject({ state: "succeeded", types: { Patient: { since: null } } });
    expect(await loss()).toBeUndefined();
    const next = await lake.run();
    expect(next.record.types["Patient"]!.since).not.toBeNull();
  });

  it("does not go on with what an earlier run had set out to fetch", async () => {
    server.store.put("Patient", "p4", patient("p4"));
    const stop = new AbortController();
    server.faults.add({ match: { pattern: "_files" }, fault: { kind: "delay", milliseconds: 1000 } });
    const earlier = lake.run({ signal: stop.signal });
    await expect
      .poll(() => server.requests.matching({ path: /_files/ }).length, { timeout: 20_000 })
      .toBeGreaterThan(1);
    stop.abort();
    expect((await earlier).record.state).toBe("interrupted");
    await lose();
    const { record } = await lake.run();
    expect(record).toMatchObject({ state: "succeeded", types: { Patient: { since: null } } });
    expect(record.resumes ?? null).toBeNull();
    expect(await loss()).toBeUndefined();
  });

  it("that came incomplete leaves it declared", async () => {
    await lose();
    server.faults.add({
      match: { pattern: "_export|_status|poll|jobs" },
      fault: {
        kind: "error-file",
        issues: [{ severity: "error", code: "exception", diagnostics: "Patient cannot be read" }],
        instead: "Patient",
      },
    });
    expect((await lake.run()).record.state).toBe("incomplete");
    expect(await loss()).toMatchObject({ upTo: 3 });
    server.faults.clear();
    expect((await lake.run()).record.state).toBe("succeeded");
    expect(await loss()).toBeUndefined();
  });
});

describe("a run that was begun before the lake was set back", () => {
  let server: FhirServer;
  let lake: SourceLake;
  let first: number;
  beforeEach(async () => {
    server = await startFhirServer({ export: { retryAfter: 0 } });
    server.store.put("Patient", "p1", patient("p1"));
    lake = await SourceLake.open({ url: server.url, kind: "bulk", types: PATIENT });
    await lake.run();
    first = (await lake.lake.head()).id;
    server.store.put("Patient", "p2", patient("p2"));
    await lake.run();
    server.store.put("Patient", "p3", patient("p3"));
    server.faults.add({ match: { pattern: "_files" }, fault: { kind: "delay", milliseconds: 1000 } });
  });
  afterEach(async () => {
    await lake.close();
    await server.close();
  });

  const downloading = async (): Promise<void> => {
    const before = server.requests.matching({ path: /_files/ }).length;
    await expect
      .poll(() => server.requests.matching({ path: /_files/ }).length, { timeout: 20_000 })
      .toBeGreaterThan(before);
  };
  const held = async (): Promise<string[]> =>
    [...(await currentRows(lake.lake, "WHERE NOT _lake_deleted")).keys()].sort();

  it("is not gone on with: what lies between is asked for again", async () => {
    const stop = new AbortController();
    const [earlier] = await Promise.all([
      lake.run({ signal: stop.signal }),
      downloading().then(() => stop.abort()),
    ]);
    expect(earlier.record.state).toBe("interrupted");
    await restoreSnapshot(lake.lake, first);
    server.faults.clear();
    const { record } = await lake.run();
    expect(record).toMatchObject({ state: "succeeded", resumes: null });
    expect(await held()).toEqual(["Patient/p1", "Patient/p2", "Patient/p3"]);
  });

  it("commits nothing, and the next one asks for what lies between", async () => {
    const [earlier] = await Promise.all([
      lake.run(),
      downloading().then(() => restoreSnapshot(lake.lake, first)),
    ]);
    expect(earlier).toMatchObject({
      record: { state: "failed" },
      error: { code: "lake/coverage-went-back", retryable: true },
    });
    server.faults.clear();
    expect((await lake.run()).record.state).toBe("succeeded");
    expect(await held()).toEqual(["Patient/p1", "Patient/p2", "Patient/p3"]);
  });
});

describe.each(["search", "bulk"])("deletes of a source that is run by %s", (kind) => {
  let folder: string;
  let server: FhirServer;
  let lake: SourceLake;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-source-deletes-"));
    server = await startFhirServer({ export: { retryAfter: 0 } });
    for (const id of ["p1", "p2"]) server.store.put("Patient", id, patient(id));
    lake = await SourceLake.open({ url: server.url, kind, types: PATIENT, deletes: { policy: "history" } });
    await lake.run();
  });
  afterEach(async () => {
    await lake.close();
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });
  const held = async (): Promise<string[]> =>
    [...(await currentRows(lake.lake, "WHERE NOT _lake_deleted")).keys()].sort();
  const main = async () => (await lake.lake.head()).sources["main"]!;

  it("are found again by the run that makes up for lost changes", async () => {
    const journal = await openEventStore({ file: path.join(folder, "journal.sqlite") });
    const notified = async (id: string): Promise<number> => {
      await appendChanges(journal, [{ source: "main", id, clock: 1, deletes: false }]);
      return (await flushJournal(lake.lake, { journal, views: new Map() })).upTo;
    };
    await notified("kept");
    const { id } = await lake.lake.head();
    server.store.delete("Patient", "p2");
    await trimCovered(lake.lake, journal, await notified("lost"));
    await restoreSnapshot(lake.lake, id);
    await declareLosses(lake.lake, journal);
    expect((await lake.run()).record.state).toBe("succeeded");
    expect(await held()).not.toContain("Patient/p2");
    expect(await main()).toMatchObject({ deletesVerified: true });
    expect(await main()).not.toHaveProperty("loss");
    await journal.close();
  });

  it("are found by a run that asks for everything again", async () => {
    server.store.delete("Patient", "p2");
    expect((await lake.run({ full: true })).record.state).toBe("succeeded");
    expect(await held()).toEqual(["Patient/p1"]);
    expect(await main()).toMatchObject({ deletesVerified: true });
  });
});

describe("a source that is followed while the lake is set back beyond what the journal keeps", () => {
  let followed: FollowedLake;
  afterEach(() => followed?.close());

  it("is run by itself, and then nothing is missing", { timeout: 120_000 }, async () => {
    followed = await FollowedLake.open(
      { subscriptions: { kind: "rest-hook", secondMs: 200 } },
      {
        path: [{ env: "TEST_PATH" }],
        header: { name: "Authorization", values: [{ env: "TEST_HEADER" }] },
        subscribe: { kind: "rest-hook", catchUpEvery: "1d" },
      },
    );
    await followed.untilState("live");
    const server = followed.server as FhirServer;
    const { lake } = followed.lake;
    const seen = (): Promise<void> =>
      expect
        .poll(() => followed.families(), { timeout: 30_000, interval: 50 })
        .toEqual(familiesOf(server)) as Promise<void>;
    const before = (await lake.head()).id;
    for (const family of ["A", "B"]) server.store.put("Patient", family, named(family, family));
    await seen();
    const { journal, flush } = followed.serving.live!;
    await flush();
    await trimCovered(lake, journal, (await lake.head()).sources["main"]!.journalPosition!);
    await restoreSnapshot(lake, before);
    await expect
      .poll(async () => (await lake.head()).sources["main"]!.loss, { timeout: 30_000 })
      .toBeDefined();
    await expect
      .poll(async () => (await lake.head()).sources["main"]!.loss, { timeout: 60_000 })
      .toBeUndefined();
    await seen();
    await followed.untilState("live");
  });
});
