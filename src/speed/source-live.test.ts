import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type EventStore, openEventStore } from "#events";
import { SourceLiveBoard } from "./source-live.js";

describe("the states of sources", () => {
  let folder: string;
  let journal: EventStore;
  const boards: SourceLiveBoard[] = [];
  let now = Date.parse("2026-01-01T00:00:00Z");

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-states-"));
    journal = await openEventStore({ file: path.join(folder, "journal.sqlite") });
  });
  afterEach(async () => {
    for (const board of boards.splice(0)) await board.stop();
    await journal.close();
    await rm(folder, { recursive: true });
  });
  const board = async (): Promise<SourceLiveBoard> => {
    const made = await SourceLiveBoard.start({ journal, clock: { now: () => new Date(now) } });
    boards.push(made);
    return made;
  };

  it("are read back by another board, by name, and outlive the one that set them", async () => {
    const first = await board();
    expect(first.sourceStates()).toEqual([]);
    await first.set("west", "live");
    await first.set("east", "gap", "Events 3 to 4 did not come.");
    const east = {
      source: "east",
      state: "gap",
      since: "2026-01-01T00:00:00.000Z",
      reason: "Events 3 to 4 did not come.",
    };
    expect((await board()).sourceStates()).toEqual([
      east,
      { source: "west", state: "live", since: "2026-01-01T00:00:00.000Z", reason: null },
    ]);
  });

  it("keep since when while only the reason changes, and append nothing for what holds already", async () => {
    const states = await board();
    await states.set("west", "gap", "one");
    const head = await journal.head();
    now += 60_000;
    await states.set("west", "gap", "one");
    expect(await journal.head()).toBe(head);
    await states.set("west", "gap", "two");
    expect(states.sourceState("west")).toMatchObject({ since: "2026-01-01T00:00:00.000Z", reason: "two" });
    await states.set("west", "live");
    expect(states.sourceState("west")).toMatchObject({ since: "2026-01-01T00:01:00.000Z", reason: null });
  });
});
