import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type EventStore, type NewEvent, openEventStore } from "#events";
import { SqliteLog } from "../events/sqlite/sqlite-log.js";
import { DEAD_LETTER_RETENTION_DAYS } from "./dead-letters.js";
import { DEAD_LETTER_PREFIX, FETCH_CHECKPOINT_PREFIX, FETCH_PREFIX } from "./receive.js";
import { keepReceivedTrimmed, type TrimReceivedOptions, trimReceived } from "./trim-received.js";

const DAY_MS = 86_400_000;

describe("what notifications left in the journal", () => {
  let folder: string;
  let journal: EventStore;
  let now: Date;
  const clock = { now: () => now };

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-trim-"));
    now = new Date("2026-03-01T08:00:00Z");
    journal = await openEventStore({ file: path.join(folder, "journal.sqlite"), clock });
  });
  afterEach(async () => {
    await journal.close();
    await rm(folder, { recursive: true, force: true });
  });

  const append = async (stream: string, more: Partial<NewEvent> = {}): Promise<number> => {
    const result = await journal.append({
      stream,
      events: [{ type: "noted", data: {}, ...more }],
      expected: "any",
    });
    return result.position;
  };
  const handled = async (source: string, position: number): Promise<void> =>
    journal.saveCheckpoint(`${FETCH_CHECKPOINT_PREFIX}${source}`, position);
  const trim = async (more: Partial<TrimReceivedOptions> = {}): Promise<void> =>
    trimReceived({ journal, isRead: () => true, clock, settleMs: 0, ...more });
  /** Positions that still stand in the streams with a prefix. */
  const kept = async (streamPrefix: string): Promise<number[]> => {
    const after = await journal.trimmedTo(streamPrefix);
    return (await journal.readAll(after, 100, { streamPrefix })).map(({ position }) => position);
  };

  it("goes as far as every source's resources were read, and no further than the one that is behind", async () => {
    for (const source of ["hospital", "lab", "hospital", "lab"]) await append(`${FETCH_PREFIX}${source}`);
    await append("changes/hospital");
    await trim();
    expect(await kept(FETCH_PREFIX)).toEqual([1, 2, 3, 4]);
    await handled("hospital", 5);
    await handled("lab", 2);
    await trim();
    expect(await kept(FETCH_PREFIX)).toEqual([3, 4]);
    await handled("lab", 5);
    await trim();
    expect(await kept(FETCH_PREFIX)).toEqual([]);
    expect(await kept("changes/")).toEqual([5]);
  });

  it("is not held up by a source that is read no more, whose resources go with the others", async () => {
    await append(`${FETCH_PREFIX}gone`);
    await append(`${FETCH_PREFIX}hospital`);
    await append(`${FETCH_PREFIX}gone`);
    await append("changes/hospital");
    await handled("hospital", 2);
    await trim({ isRead: (source) => source === "hospital" });
    expect(await kept(FETCH_PREFIX)).toEqual([3]);
    await trim({ isRead: () => false });
    expect(await kept(FETCH_PREFIX)).toEqual([]);
  });

  it("does not overtake the reader of a source that has had nothing to read", async () => {
    // Another process, which notices a moment later that the journal has grown.
    const other = await openEventStore({ file: path.join(folder, "journal.sqlite") });
    const errors: unknown[] = [];
    const reader = other.subscribe({
      name: `${FETCH_CHECKPOINT_PREFIX}lab`,
      streamPrefix: `${FETCH_PREFIX}lab`,
      pollMs: 150,
      handle: async () => undefined,
      onError: (error) => void errors.push(error),
    });
    for (let i = 0; i < 4; i++) {
      await handled("hospital", await append(`${FETCH_PREFIX}hospital`));
      await append("changes/hospital");
      await trim({ settleMs: 1000 });
      expect(await kept(FETCH_PREFIX)).toEqual([]);
    }
    await reader.reached(await append(`${FETCH_PREFIX}lab`));
    expect(errors).toEqual([]);
    await reader.stop();
    await other.close();
  });

  it("keeps dead letters for thirty days, then removes them and their keys", async () => {
    expect(DEAD_LETTER_RETENTION_DAYS).toBe(30);
    const refused = (subject: string): Partial<NewEvent> => ({ payload: "body", subject });
    await append(`${DEAD_LETTER_PREFIX}hospital`, refused("a"));
    now = new Date(now.getTime() + DAY_MS);
    await append(`${DEAD_LETTER_PREFIX}lab`, refused("b"));
    await append("changes/lab", refused("c"));
    now = new Date(now.getTime() + 29 * DAY_MS);
    await trim();
    expect(await kept(DEAD_LETTER_PREFIX)).toEqual([1, 2]);
    now = new Date(now.getTime() + 1);
    await trim();
    expect(await kept(DEAD_LETTER_PREFIX)).toEqual([2]);
    now = new Date(now.getTime() + DAY_MS);
    await trim();
    expect(await kept(DEAD_LETTER_PREFIX)).toEqual([]);
    expect(await kept("changes/")).toEqual([3]);
    // Only the change's key is left to be destroyed.
    expect(await journal.shred(["a", "b", "c"])).toBe(1);
  });

  it("leaves the journal's last event, by which others know the journal again", async () => {
    await append(`${FETCH_PREFIX}hospital`);
    await handled("hospital", await append(`${FETCH_PREFIX}hospital`));
    await trim();
    expect(await kept(FETCH_PREFIX)).toEqual([2]);
  });

  it("writes nothing where there is nothing to remove", async () => {
    await handled("hospital", await append(`${FETCH_PREFIX}hospital`));
    await append("changes/hospital");
    await trim();
    await handled("hospital", await append("changes/hospital"));
    await append("changes/hospital");
    await trim();
    expect(await journal.trimmedTo(FETCH_PREFIX)).toBe(1);
    expect(await journal.trimmedTo(DEAD_LETTER_PREFIX)).toBe(0);
  });

  it("goes next time where a process was killed while it removed", async () => {
    const log = await SqliteLog.open(path.join(folder, "journal.sqlite"));
    for (let i = 0; i < 3; i++) await append(`${FETCH_PREFIX}hospital`);
    await handled("hospital", 3);
    await append("changes/hospital");
    await log.trimSome(FETCH_PREFIX, 3, 1);
    await trim();
    expect(await log.readAll(0, 9, { streamPrefix: FETCH_PREFIX })).toEqual([]);
    await log.close();
  });

  it("is trimmed until the signal aborts, which does not wait for the next time", async () => {
    const stop = new AbortController();
    await handled("hospital", await append(`${FETCH_PREFIX}hospital`));
    await append("changes/hospital");
    const errors: unknown[] = [];
    const keeping = keepReceivedTrimmed({
      journal,
      isRead: () => true,
      clock,
      settleMs: 0,
      signal: stop.signal,
      onError: (error) => void errors.push(error),
    });
    await expect.poll(() => kept(FETCH_PREFIX)).toEqual([]);
    stop.abort();
    await keeping;
    expect(errors).toEqual([]);
  });

  it("stays when the process ends while it waits", async () => {
    await handled("hospital", await append(`${FETCH_PREFIX}hospital`));
    await append("changes/hospital");
    const stop = new AbortController();
    const trimming = trim({ settleMs: 60_000, signal: stop.signal });
    stop.abort();
    await trimming;
    expect(await kept(FETCH_PREFIX)).toEqual([1]);
  });
});
