import { describe, expect, it } from "vitest";
import type { ReceiverPorts } from "#ingestion";
import { DEAD_LETTERS_AN_HOUR, limitedLetters } from "./dead-letter-limit.js";

const nothing = async (): Promise<void> => undefined;

describe("dead letters", () => {
  it("are kept up to a number an hour and source, and again in the next hour", async () => {
    const kept: string[] = [];
    let nowMs = 0;
    const ports: ReceiverPorts = {
      accept: nothing,
      fetchBack: nothing,
      missed: nothing,
      status: nothing,
      sequence: async () => 0,
      deadLetter: async ({ source }) => void kept.push(source),
    };
    const limited = limitedLetters(ports, { now: () => new Date(nowMs) });
    const send = async (source: string, count: number): Promise<void> => {
      const letter = { source, sender: source, code: "invalid-json", message: "no", body: new Uint8Array() };
      for (let n = 0; n < count; n++) await limited.deadLetter(letter);
    };
    await send("noisy", DEAD_LETTERS_AN_HOUR + 5);
    await send("quiet", 2);
    expect(kept).toHaveLength(DEAD_LETTERS_AN_HOUR + 2);
    nowMs = 3_600_000;
    await send("noisy", 1);
    expect(kept).toHaveLength(DEAD_LETTERS_AN_HOUR + 3);
  });
});
