import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EventStore } from "#events";
import { type ErasureRequest, Lake, parseResourceName, prepareErasure } from "#lake";
import { ingest, patient } from "../../test/support/patients.js";
import { SqliteLog } from "../events/sqlite/sqlite-log.js";
import { deadLetterBody, newestDeadLetters } from "./dead-letters.js";
import { eraseInJournal } from "./journal-erasure.js";
import { DEAD_LETTER_PREFIX, FETCH_PREFIX, journalPorts } from "./receive.js";

/** A journal in which a serving process removes old events just before somebody reads on. */
class TrimmedMeanwhile extends EventStore {
  readonly toTrim: [prefix: string, upTo: number][] = [];

  override async readAll(...request: Parameters<EventStore["readAll"]>): ReturnType<EventStore["readAll"]> {
    const prefix = request[2]?.streamPrefix;
    const at = this.toTrim.findIndex(([trimmed]) => trimmed === prefix);
    if (at >= 0) await this.trim(...this.toTrim.splice(at, 1)[0]!);
    return await super.readAll(...request);
  }
}

describe("an erasure in the journal", () => {
  let folder: string;
  let lake: Lake;
  let journal: TrimmedMeanwhile;
  let request: ErasureRequest;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-journal-erasure-"));
    lake = await Lake.open({ location: path.join(folder, "lake") });
    await ingest(lake, [patient("ann", 1), patient("bob", 1)]);
    journal = new TrimmedMeanwhile(await SqliteLog.open(path.join(folder, "journal.sqlite")));
    request = await prepareErasure(lake, {
      patients: [parseResourceName("test/Patient/ann")],
      resources: [],
      mentions: "keep",
      allowReturn: false,
    });
  });
  afterEach(async () => {
    await journal.close();
    await lake.close();
    await rm(folder, { recursive: true, force: true });
  });

  const refuse = async (body: string): Promise<void> => {
    const letter = { source: "test", sender: "test", code: "invalid-json", message: "It is no JSON." };
    await journalPorts(lake, journal).deadLetter({ ...letter, body: Buffer.from(body) });
  };

  it("destroys refused notifications that name the person, and names of resources to be read", async () => {
    await refuse('{"reference": "Patient/ann"');
    await refuse('{"reference": "Patient/bob"');
    await journalPorts(lake, journal).fetchBack("test", [
      { type: "Patient", id: "ann" },
      { type: "Patient", id: "bob" },
    ]);
    expect(await eraseInJournal(lake, journal, request, new Set(request.keys))).toBe(2);
    expect(await deadLetterBody(journal, 1)).toBe("erased");
    expect((await newestDeadLetters(journal, { limit: 9 })).map(({ isErased }) => isErased)).toEqual([
      true,
      false,
    ]);
    const toRead = await journal.readAll(0, 9, { streamPrefix: FETCH_PREFIX });
    expect(toRead.map(({ payload }) => payload)).toEqual([undefined, "bob"]);
  });

  it("goes on where a serving process trims meanwhile", async () => {
    await refuse('{"old": "Patient/ann"');
    await refuse('{"new": "Patient/ann"');
    const ports = journalPorts(lake, journal);
    await ports.fetchBack("test", [{ type: "Patient", id: "bob" }]);
    await ports.fetchBack("test", [{ type: "Patient", id: "ann" }]);
    journal.toTrim.push([DEAD_LETTER_PREFIX, 1], [FETCH_PREFIX, 3]);
    expect(await eraseInJournal(lake, journal, request, new Set(request.keys))).toBe(2);
    expect(journal.toTrim).toEqual([]);
    expect(await newestDeadLetters(journal, { limit: 9 })).toMatchObject([{ position: 2, isErased: true }]);
    const toRead = await journal.readAll(3, 9, { streamPrefix: FETCH_PREFIX });
    expect(toRead.map(({ payload }) => payload)).toEqual([undefined]);
  });
});
