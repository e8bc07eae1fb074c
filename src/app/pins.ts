import { findPin, type Lake, pin, pins, releasePin } from "#lake";
import type { Pins } from "#serving";
import type { Live } from "./live.js";

/**
 * The pins of a lake for its server. A pin names a snapshot; to pin what is accepted so far, the live changes are made one first (ADR 0014).
 */
export function lakePins(lake: Lake, live: Pick<Live, "flush"> | undefined): Pins {
  return {
    create: async (request) => {
      if (request.snapshot === undefined) await live?.flush();
      return await pin(lake, request);
    },
    list: async () => await pins(lake),
    find: async (name) => await findPin(lake, name),
    release: async (name) => await releasePin(lake, name),
  };
}
