import { setTimeout as sleep } from "node:timers/promises";
import { changedNow } from "./changes.js";
import { HttpClient } from "./http.js";

/** Something that goes on until it is stopped; answers how often it was done. */
export interface Load {
  stop(): Promise<number>;
}

const TICK_MS = 10;

/** Sends changes at an even rate, whatever the answers take. */
export function sendAtRate(endpoint: string, lines: readonly string[], perSecond: number): Load {
  const client = new HttpClient(32);
  const under = new Set<Promise<unknown>>();
  let sent = 0;
  let failed: unknown;
  const started = performance.now();
  const timer = setInterval(() => {
    const due = ((performance.now() - started) / 1000) * perSecond;
    for (; sent < due; sent++) {
      const one = client.send(endpoint, changedNow(lines[sent % lines.length]!)).then(
        ({ status }) => {
          if (status !== 204) failed ??= new Error(`a notification was answered with ${status}`);
        },
        (error: unknown) => {
          failed ??= error;
        },
      );
      under.add(one);
      void one.finally(() => under.delete(one));
    }
  }, TICK_MS);
  return {
    stop: async () => {
      clearInterval(timer);
      await Promise.all(under);
      client.close();
      if (failed !== undefined) throw failed;
      return sent;
    },
  };
}

/** So many readers that each ask one of the places in turn, and wait between. Tells how long each answer took. */
export function readAll(
  url: string,
  options: {
    readonly readers: number;
    readonly places: readonly string[];
    readonly pauseMs: number;
    readonly onRead: (ms: number) => void;
  },
): Load {
  const client = new HttpClient(options.readers);
  let going = true;
  let reads = 0;
  const reader = async (first: number): Promise<void> => {
    await sleep((options.pauseMs * first) / options.readers);
    for (let turn = first; going; turn++) {
      const before = performance.now();
      const { status } = await client.send(`${url}${options.places[turn % options.places.length]!}`);
      if (status !== 200) throw new Error(`a read was answered with ${status}`);
      options.onRead(performance.now() - before);
      reads++;
      await sleep(options.pauseMs);
    }
  };
  const all = Promise.all(Array.from({ length: options.readers }, (_, index) => reader(index)));
  all.catch(() => undefined);
  return {
    stop: async () => {
      going = false;
      await all;
      client.close();
      return reads;
    },
  };
}
