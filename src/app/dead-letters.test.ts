import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type EventStore, openEventStore } from "#events";
import { Lake } from "#lake";
import { deadLetterBody, deadLetterSources, newestDeadLetters } from "./dead-letters.js";
import { DEAD_LETTER_PREFIX, journalPorts } from "./receive.js";

describe("dead letters", () => {
  let folder: string;
  let lake: Lake;
  let journal: EventStore;
  let now: Date;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-dead-letters-"));
    lake = await Lake.open({ location: path.join(folder, "lake") });
    now = new Date("2026-03-01T08:00:00Z");
    journal = await openEventStore({ file: path.join(folder, "journal.sqlite"), clock: { now: () => now } });
  });
  afterEach(async () => {
    await journal.close();
    await lake.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Refuses a notification a minute after the one before. */
  const refuse = async (source: string, body: Buffer | string): Promise<void> => {
    const letter = { source, sender: source, code: "invalid-json", message: "It is no JSON." };
    await journalPorts(lake, journal).deadLetter({ ...letter, body: Buffer.from(body) });
    now = new Date(now.getTime() + 60_000);
  };
  const positions = async (
    filter: Partial<Parameters<typeof newestDeadLetters>[1]> = {},
  ): Promise<number[]> =>
    (await newestDeadLetters(journal, { limit: 100, ...filter })).map(({ position }) => position);

  it("are listed with what is known of them, the newest last", async () => {
    await refuse("hospital", "{");
    await refuse("lab", "[1,");
    expect(await newestDeadLetters(journal, { limit: 10 })).toEqual([
      {
        position: 1,
        at: "2026-03-01T08:00:00.000Z",
        source: "hospital",
        sender: "hospital",
        code: "invalid-json",
        message: "It is no JSON.",
        sizeBytes: 1,
        isErased: false,
      },
      expect.objectContaining({ position: 2, source: "lab", sizeBytes: 3 }),
    ]);
    expect(await deadLetterSources(journal)).toEqual(["hospital", "lab"]);
  });

  it("are chosen by source, by time, and as the newest so many of all sources", async () => {
    for (let i = 0; i < 15; i++) await refuse(i % 3 === 0 ? "lab" : "lab-2", "{");
    expect(await positions({ source: "lab" })).toEqual([1, 4, 7, 10, 13]);
    expect(await positions({ limit: 4 })).toEqual([12, 13, 14, 15]);
    expect(await positions({ limit: 2, source: "lab" })).toEqual([10, 13]);
    expect(await positions({ sinceMs: Date.parse("2026-03-01T08:12:00Z") })).toEqual([13, 14, 15]);
    expect(await positions({ sinceMs: now.getTime() })).toEqual([]);
    await journal.trim(DEAD_LETTER_PREFIX, 11);
    expect(await positions({ limit: 3, source: "lab" })).toEqual([13]);
    expect(await positions()).toEqual([12, 13, 14, 15]);
  });

  it("give their bodies byte for byte, as long as they are kept", async () => {
    const bytes = Buffer.from([0, 0xff, 0xfe, 0x7b, 0x0a]);
    await refuse("lab", bytes);
    await journal.append({ stream: "changes/lab", events: [{ type: "noted", data: {} }], expected: "any" });
    await refuse("lab", "");
    expect(await deadLetterBody(journal, 1)).toEqual(bytes);
    expect(await deadLetterBody(journal, 3)).toEqual(Buffer.alloc(0));
    for (const other of [2, 4]) expect(await deadLetterBody(journal, other)).toBeUndefined();
    await journal.trim(DEAD_LETTER_PREFIX, 1);
    expect(await deadLetterBody(journal, 1)).toBeUndefined();
    expect(await deadLetterBody(journal, 3)).toEqual(Buffer.alloc(0));
  });

  it("say when an erasure has destroyed the body, and keep the rest", async () => {
    await refuse("lab", "{");
    const [event] = await journal.readAll(0, 1, { streamPrefix: DEAD_LETTER_PREFIX });
    await journal.shred([event!.subject!]);
    expect(await deadLetterBody(journal, 1)).toBe("erased");
    expect(await newestDeadLetters(journal, { limit: 1 })).toMatchObject([{ position: 1, isErased: true }]);
  });
});
