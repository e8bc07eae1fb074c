import type { EventStore, StoredEvent } from "#events";
import { isLakeError } from "#kernel";
import type { Range, SharedState } from "./shared-state.js";

/** Why the stream cannot be followed from where a reader stands; texts for people. */
export const NOT_FOLLOWED = {
  silent: "Redis does not answer; changes are read from the journal",
  gap: "Redis has lost changes; they are read from the journal",
  foreign: "Redis holds another journal's changes; they are read from the journal",
  behind: "Redis lags behind; changes are read from the journal",
} as const;

/** See {@link NOT_FOLLOWED}. */
export type NotFollowed = keyof typeof NOT_FOLLOWED;

/** Reads the stream in Redis from a position, and takes nothing that the journal does not confirm. */
export class StreamReader {
  private readonly journal: EventStore;
  private readonly state: SharedState;

  constructor(journal: EventStore, state: SharedState) {
    this.journal = journal;
    this.state = state;
  }

  /** What follows after a position: whole ranges, or why there is none to be had. Waits up to so many milliseconds for one. */
  async after(position: number, waitMs: number): Promise<readonly Range[] | NotFollowed> {
    let ranges: readonly Range[];
    try {
      ranges = await this.state.entries(position, waitMs);
    } catch {
      return "silent";
    }
    let reached = position;
    for (const { after, upTo } of ranges) {
      if (after > reached) return "gap";
      reached = upTo;
    }
    return ranges;
  }

  /** The events of a range after a position, decrypted; that they and the range's end are the journal's is made sure. */
  async open({ events, mark, upTo }: Range, position: number): Promise<readonly StoredEvent[] | NotFollowed> {
    // Without a mark nobody could tell whether the journal has changes where the range has none.
    if (mark === undefined || mark.position !== upTo) return "gap";
    try {
      const news = events.filter((event) => event.position > position);
      return await this.journal.open(news, [mark]);
    } catch (error) {
      if (isLakeError(error, "events/foreign-event")) return "foreign";
      throw error;
    }
  }

  /** True when a reader at this position can follow the stream from here. */
  async reaches(position: number): Promise<boolean> {
    const ranges = await this.after(position, 0);
    if (typeof ranges === "string") return false;
    const [next] = ranges;
    if (next !== undefined) return typeof (await this.open(next, position)) !== "string";
    const standing = await this.state.look().catch(() => undefined);
    return typeof standing === "object" && standing.position === position;
  }
}
