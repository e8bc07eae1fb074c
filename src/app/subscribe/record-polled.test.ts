import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { parseConfig } from "#config";
import { openEventStore, type StoredEvent } from "#events";
import type { PolledChange } from "#ingestion";
import { systemClock } from "#kernel";
import { Lake } from "#lake";
import { changeOf, changeStream } from "#landing";
import { DEAD_LETTER_PREFIX, FETCH_PREFIX, journalPorts } from "../receive.js";
import { PolledRecorder } from "./record-polled.js";

const TIME = "2026-01-01T00:00:00.000Z";

function update(id: string, body: string): PolledChange {
  return { kind: "update", type: "Patient", id, versionId: "1", lastUpdated: TIME, body: Buffer.from(body) };
}

function gone(id: string, more: Partial<PolledChange> = {}): PolledChange {
  return { kind: "delete", type: "Patient", id, versionId: "2", lastUpdated: TIME, body: undefined, ...more };
}

async function eventsOf(stream: AsyncIterable<StoredEvent>): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

/** What stands in the journal of a new lake after these changes were recorded, by kind of stream. */
async function recorded(
  changes: readonly PolledChange[],
): Promise<Record<"changes" | "reads" | "refused", StoredEvent[]>> {
  const location = await mkdtemp(path.join(tmpdir(), "record-polled-"));
  const lake = await Lake.open({ location: path.join(location, "lake") });
  const journal = await openEventStore({ file: path.join(location, "journal.sqlite"), thread: false });
  onTestFinished(async () => {
    await journal.close();
    await lake.close();
  });
  const { sources } = parseConfig({ sources: { main: { url: "https://fhir.example" } } }, "test");
  const source = { name: "main", config: sources["main"]!, folder: ".", environment: {} };
  await new PolledRecorder({ lake, ports: journalPorts(lake, journal), clock: systemClock }, source).record(
    changes,
  );
  return {
    changes: await eventsOf(journal.readStream(changeStream("main"))),
    reads: await eventsOf(journal.readStream(`${FETCH_PREFIX}main`)),
    refused: await eventsOf(journal.readStream(`${DEAD_LETTER_PREFIX}main`)),
  };
}

function bodies(events: readonly StoredEvent[]): string[] {
  return events.map(({ payload }) => Buffer.from(payload!, "base64").toString());
}

describe("what polling found", () => {
  it("is recorded with its deletes; deletes that say too little and what is only named are to be read", async () => {
    const { changes, reads, refused } = await recorded([
      update("p1", '{"resourceType":"Patient","id":"p1"}'),
      gone("p2"),
      gone("p3", { lastUpdated: undefined }),
      gone("p4", { kind: "named" }),
    ]);
    expect(changes.map((event) => changeOf(event)).map((change) => [change!.kind, change!.id])).toEqual([
      ["U", "p1"],
      ["D", "p2"],
    ]);
    expect(reads.map(({ payload }) => payload)).toEqual(["p3", "p4"]);
    expect(refused).toEqual([]);
  });

  it("and cannot be stored becomes a dead letter, and the rest is recorded", async () => {
    const twice = '{"resourceType":"Patient","id":"bad","id":"bad"}';
    const { changes, reads, refused } = await recorded([
      update("bad", twice),
      gone("no id/at all"),
      gone("nor/this", { lastUpdated: undefined }),
      update("p1", '{"resourceType":"Patient","id":"p1"}'),
    ]);
    expect(changes.map((event) => changeOf(event)!.id)).toEqual(["p1"]);
    expect(reads).toEqual([]);
    expect(refused.map(({ data }) => data)).toMatchObject([
      { sender: "main", code: "duplicate-key" },
      { sender: "main", code: "invalid-id" },
      { sender: "main", code: "invalid-id" },
    ]);
    expect(bodies(refused)).toEqual([
      twice,
      '{"type":"Patient","id":"no id/at all"}',
      '{"type":"Patient","id":"nor/this"}',
    ]);
  });
});
