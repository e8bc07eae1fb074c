import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LakeError } from "#kernel";
import type { AppendRequest, StoredEvent } from "./event.js";
import type { EventLog } from "./event-log.js";
import { EventStore } from "./event-store.js";

const noted = (n: number): { type: string; data: unknown } => ({ type: "noted", data: { n } });
const numbers = (events: readonly StoredEvent[]): number[] =>
  events.map((event) => (event.data as { n: number }).n);

async function streamOf(store: EventStore, stream: string, from?: number): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of store.readStream(stream, from)) events.push(event);
  return events;
}

/**
 * What every journal must do; run by each adapter's own test file. `create` makes an empty journal; `open` opens it, also
 * a second time, as another process would.
 */
export function eventStoreContract(
  name: string,
  create: () => Promise<{ open(): Promise<EventLog>; end(): Promise<void> }>,
): void {
  describe(`event store contract: ${name}`, () => {
    let store: EventStore;
    let place: Awaited<ReturnType<typeof create>>;
    const again = async (): Promise<EventStore> => new EventStore(await place.open());
    beforeEach(async () => {
      place = await create();
      store = await again();
    });
    afterEach(async () => {
      await store.close();
      await place.end();
    });

    it("gives positions from 1 in the order of appending and versions per stream", async () => {
      const a = await store.append({ stream: "a", events: [noted(1), noted(2)], expected: 0 });
      const b = await store.append({ stream: "b", events: [noted(3)], expected: "any" });
      const c = await store.append({ stream: "a", events: [noted(4)], expected: 2 });
      expect([a, b, c]).toEqual([
        { position: 2, version: 2, repeated: false },
        { position: 3, version: 1, repeated: false },
        { position: 4, version: 3, repeated: false },
      ]);
      const all = await store.readAll(0, 10);
      expect(all.map((event) => [event.position, event.stream, event.version])).toEqual([
        [1, "a", 1],
        [2, "a", 2],
        [3, "b", 1],
        [4, "a", 3],
      ]);
      expect(numbers(await streamOf(store, "a", 2))).toEqual([2, 4]);
      expect(await store.head()).toBe(4);
    });

    it("reads a stream whole, however few events are read at once", async () => {
      await store.append({ stream: "a", events: [1, 2, 3, 4, 5].map(noted), expected: 0 });
      for (const atOnce of [1, 2, 5, 6]) {
        const found: StoredEvent[] = [];
        for await (const event of store.readStream("a", 2, atOnce)) found.push(event);
        expect(numbers(found)).toEqual([2, 3, 4, 5]);
      }
    });

    it("refuses a wrong expected version, says the right one, and appends nothing", async () => {
      await store.append({ stream: "a", events: [noted(1)], expected: 0 });
      await expect(store.append({ stream: "a", events: [noted(2)], expected: 0 })).rejects.toMatchObject({
        code: "events/version-conflict",
        details: { stream: "a", expected: 0, actual: 1 },
      });
      expect(await store.head()).toBe(1);
    });

    it("lets exactly one of two writers at the same version win", async () => {
      const other = await again();
      const outcomes = await Promise.allSettled(
        Array.from({ length: 20 }, (_, n) =>
          (n % 2 === 0 ? store : other).append({ stream: "a", events: [noted(n)], expected: 0 }),
        ),
      );
      expect(outcomes.filter((outcome) => outcome.status === "fulfilled")).toHaveLength(1);
      expect(await streamOf(store, "a")).toHaveLength(1);
      await other.close();
    });

    it("keeps every append of many writers once, in one order that all readers see", async () => {
      const other = await again();
      const results = await Promise.all(
        Array.from({ length: 300 }, (_, n) =>
          (n % 3 === 0 ? other : store).append({ stream: `s${n % 7}`, events: [noted(n)], expected: "any" }),
        ),
      );
      const positions = results.map((result) => result.position).sort((x, y) => x - y);
      expect(positions).toEqual(Array.from({ length: 300 }, (_, n) => n + 1));
      const mine = await store.readAll(0, 1000);
      expect(await other.readAll(0, 1000)).toEqual(mine);
      expect(numbers(mine).sort((x, y) => x - y)).toEqual(Array.from({ length: 300 }, (_, n) => n));
      await other.close();
    });

    it("does not let one request's conflict touch the others of its group", async () => {
      await store.append({ stream: "a", events: [noted(0)], expected: 0 });
      const outcomes = await Promise.allSettled([
        store.append({ stream: "b", events: [noted(1)], expected: 0 }),
        store.append({ stream: "a", events: [noted(2)], expected: 0 }),
        store.append({ stream: "a", events: [noted(3)], expected: 1 }),
      ]);
      expect(outcomes.map((outcome) => outcome.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
      expect(numbers(await store.readAll(0, 10))).toEqual([0, 1, 3]);
    });

    it("answers a repeated append with its first outcome and appends nothing", async () => {
      const events = [
        { ...noted(1), id: "one" },
        { ...noted(2), id: "two" },
      ];
      const first = await store.append({ stream: "a", events, expected: 0 });
      await store.append({ stream: "a", events: [noted(3)], expected: "any" });
      expect(await store.append({ stream: "a", events, expected: 0 })).toEqual({ ...first, repeated: true });
      expect(await store.head()).toBe(3);
      await expect(
        store.append({ stream: "b", events: [{ ...noted(9), id: "two" }], expected: "any" }),
      ).rejects.toMatchObject({ code: "events/bad-event" });
    });

    it("refuses events that break its rules with their reason", async () => {
      const bad = async (request: Parameters<EventStore["append"]>[0]): Promise<void> => {
        await expect(store.append(request)).rejects.toMatchObject({ code: "events/bad-event" });
      };
      await bad({ stream: "", events: [noted(1)], expected: "any" });
      await bad({ stream: "a", events: [], expected: "any" });
      await bad({ stream: "a", events: [noted(1)], expected: -1 });
      await bad({ stream: "a", events: [{ type: "", data: 1 }], expected: "any" });
      await bad({ stream: "a", events: [{ type: "x", data: undefined }], expected: "any" });
      await bad({ stream: "a", events: [{ type: "x", data: 1, payload: "secret" }], expected: "any" });
      expect(await store.head()).toBe(0);
    });

    it("keeps payloads exactly, and filters by stream prefix and type", async () => {
      const payload = '{"value":1.10,"name":"Zoë \u0000\u2028 😀"}';
      await store.append({
        stream: "changes/main",
        events: [{ type: "changed", data: { n: 1 }, payload, subject: "p1" }],
        expected: "any",
      });
      await store.append({ stream: "run/1", events: [noted(2)], expected: "any" });
      const [event] = await store.readAll(0, 10, { streamPrefix: "changes/" });
      expect(event).toMatchObject({ payload, subject: "p1", shredded: false, type: "changed" });
      expect(numbers(await store.readAll(0, 10, { types: ["noted"] }))).toEqual([2]);
      expect(await store.readAll(0, 10, { streamPrefix: "changes/", types: ["noted"] })).toEqual([]);
      expect(numbers(await store.readAll(0, 1))).toEqual([1]);
    });

    it("makes all payloads of a shredded subject unreadable and leaves the others", async () => {
      for (const [n, subject] of ["p1", "p2", "p1"].entries()) {
        const event = { ...noted(n), payload: `secret ${n}`, subject };
        await store.append({ stream: "changes/main", events: [event], expected: "any" });
      }
      expect(await store.shred(["p1", "unknown"])).toBe(1);
      const all = await store.readAll(0, 10);
      expect(all.map((event) => [event.payload, event.shredded])).toEqual([
        [undefined, true],
        ["secret 1", false],
        [undefined, true],
      ]);
    });

    it("keeps a shredded subject's earlier payloads unreadable when new ones are appended", async () => {
      const append = (n: number): Promise<unknown> =>
        store.append({
          stream: "changes/main",
          events: [{ ...noted(n), payload: `secret ${n}`, subject: "p1" }],
          expected: "any",
        });
      await append(0);
      await store.shred(["p1"]);
      await append(1);
      const all = await store.readAll(0, 10);
      expect(all.map((event) => [event.payload, event.shredded])).toEqual([
        [undefined, true],
        ["secret 1", false],
      ]);
    });

    it("gives events sealed and opens them later, as far as their subjects' keys still stand", async () => {
      for (const [n, subject] of ["p1", "p2", "p1"].entries()) {
        const event = { ...noted(n), payload: `secret ${n}`, subject };
        await store.append({ stream: "changes/main", events: [event], expected: "any" });
      }
      await store.append({ stream: "run/1", events: [noted(3)], expected: "any" });
      const sealed = await store.readSealed(0, 10);
      expect(sealed.some(({ payload }) => Buffer.from(payload ?? []).includes("secret"))).toBe(false);
      expect(await store.open(sealed)).toEqual(await store.readAll(0, 10));
      await store.shred(["p1"]);
      expect((await store.open(sealed)).map((event) => event.payload)).toEqual([
        undefined,
        "secret 1",
        undefined,
        undefined,
      ]);
      expect(await store.open(sealed)).toEqual(await store.readAll(0, 10));
      await expect(store.open([{ ...sealed[1]!, position: 1 }])).rejects.toMatchObject({
        code: "events/foreign-event",
        details: { position: 1 },
      });
      expect(await store.open([], [(await store.mark(4))!])).toEqual([]);
      expect(await store.mark(5)).toBeUndefined();
      expect((await store.readSealed(1, 1, { streamPrefix: "changes/" })).map((e) => e.position)).toEqual([
        2,
      ]);
    });

    it("has one identity, whoever asks first", async () => {
      const other = await again();
      const both = await Promise.all([store.identity(), other.identity()]);
      expect(both[0]).toBe(both[1]);
      expect(await store.identity()).toBe(both[0]);
      expect(await store.head()).toBe(1);
      await other.close();
    });

    it("trims covered events of the named streams only, keeps versions, and refuses readers that are behind", async () => {
      for (let n = 1; n <= 6; n++) {
        await store.append({
          stream: n % 2 === 0 ? "changes/main" : "run/1",
          events: [noted(n)],
          expected: "any",
        });
      }
      expect(await store.trim("changes/", 4)).toBe(2);
      expect(numbers(await store.readAll(4, 10))).toEqual([5, 6]);
      expect(numbers(await store.readAll(0, 10, { streamPrefix: "run/" }))).toEqual([1, 3, 5]);
      await expect(store.readAll(3, 10, { streamPrefix: "changes/" })).rejects.toMatchObject({
        code: "events/behind-retention",
        details: { after: 3, trimmedTo: 4 },
      });
      expect(await store.streamVersion("changes/main")).toBe(3);
      const next = await store.append({ stream: "changes/main", events: [noted(7)], expected: 3 });
      expect(next).toMatchObject({ version: 4, position: 7 });
      expect(await store.trim("changes/", 100)).toBe(2);
      expect(await store.head()).toBe(7);
    });

    it("trims however many events, and the keys of those subjects only that have none left", async () => {
      const texts = (stream: string, subject: string, count: number): AppendRequest => ({
        stream,
        events: Array.from({ length: count }, (_, n) => ({
          ...noted(n),
          payload: `${subject} ${n}`,
          subject,
        })),
        expected: "any",
      });
      await store.append(texts("changes/a", "gone", 600));
      await store.append(texts("changes/b", "gone", 700));
      await store.append(texts("changes/b", "stays", 200));
      const { position } = await store.append(texts("changes/a", "elsewhere", 1));
      await store.append(texts("changes/b", "stays", 1));
      await store.append(texts("run/1", "elsewhere", 1));
      expect(await store.trim("changes/", position)).toBe(1501);
      expect((await store.readAll(position, 10)).map((event) => event.payload)).toEqual([
        "stays 0",
        "elsewhere 0",
      ]);
      expect(await store.shred(["gone", "stays", "elsewhere"])).toBe(2);
    });

    it("makes no key for what it refuses", async () => {
      const events = [{ ...noted(1), payload: "text", subject: "p1" }];
      await expect(store.append({ stream: "a", events, expected: 7 })).rejects.toMatchObject({
        code: "events/version-conflict",
      });
      expect(await store.shred(["p1"])).toBe(0);
    });

    it("finishes a trim that was cut short", async () => {
      const events = Array.from({ length: 30 }, (_, n) => noted(n));
      await store.append({ stream: "changes/main", events, expected: "any" });
      const cut = await place.open();
      expect(await cut.trimSome("changes/", 20, 5)).toBe(5);
      await cut.close();
      expect(numbers(await store.readAll(20, 1, { streamPrefix: "changes/" }))).toHaveLength(1);
      await expect(store.readAll(10, 10, { streamPrefix: "changes/" })).rejects.toMatchObject({
        code: "events/behind-retention",
      });
      expect(await store.trim("changes/", 20)).toBe(15);
    });

    it("lists streams by prefix with their versions, trimmed or not", async () => {
      for (const stream of ["b/2", "a/1", "b/1", "b/1"]) {
        await store.append({ stream, events: [noted(1)], expected: "any" });
      }
      await store.trim("b/1", 100);
      expect(await store.streams("b/")).toEqual([
        { stream: "b/1", version: 2 },
        { stream: "b/2", version: 1 },
      ]);
    });

    it("keeps checkpoints and never moves them back", async () => {
      expect(await store.checkpoint("views")).toBe(0);
      await store.saveCheckpoint("views", 5);
      await store.saveCheckpoint("views", 3);
      expect(await store.checkpoint("views")).toBe(5);
      const other = await again();
      expect(await other.checkpoint("views")).toBe(5);
      await other.close();
    });

    it("hands a subscriber every event of all writers in order, once when nothing fails", async () => {
      const other = await again();
      const seen: number[] = [];
      const subscription = store.subscribe({
        streamPrefix: "s",
        batch: 7,
        pollMs: 20,
        handle: async (events) => {
          seen.push(...events.map((event) => event.position));
          await sleep(1);
        },
      });
      const results = await Promise.all(
        Array.from({ length: 60 }, (_, n) =>
          (n % 2 === 0 ? store : other).append({ stream: `s${n}`, events: [noted(n)], expected: 0 }),
        ),
      );
      await subscription.reached(Math.max(...results.map((result) => result.position)));
      expect(seen).toEqual(Array.from({ length: 60 }, (_, n) => n + 1));
      await subscription.stop();
      await other.close();
    });

    it("misses nothing that is appended while a batch is handled and the next one is read", async () => {
      const seen: number[] = [];
      const append = (n: number) =>
        store.append({ stream: n % 3 === 0 ? "other" : "s", events: [noted(n)], expected: "any" });
      for (let n = 0; n < 10; n++) await append(n);
      const subscription = store.subscribe({
        streamPrefix: "s",
        batch: 3,
        pollMs: 20,
        handle: async (events) => {
          seen.push(...events.map((event) => event.position));
          if (seen.length > 60) return;
          // By now the next batch has been read.
          await sleep(seen.length % 4);
          await append(1);
          await append(3);
        },
      });
      await expect.poll(() => seen.length, { timeout: 30_000 }).toBeGreaterThan(60);
      await subscription.reached(await store.head());
      const all = await store.readAll(0, 1000, { streamPrefix: "s" });
      expect(seen).toEqual(all.map((event) => event.position));
      await subscription.stop();
    });

    it("knows since when it has everything, and does not claim more while a handler fails", async () => {
      let fail = false;
      const subscription = store.subscribe({
        pollMs: 10,
        handle: async () => {
          if (fail) throw new Error("not now");
        },
      });
      const append = () => store.append({ stream: "s", events: [noted(1)], expected: "any" });
      const before = Date.now();
      const { position } = await append();
      await subscription.reached(position);
      await expect.poll(() => subscription.currentAt).toBeGreaterThanOrEqual(before);
      fail = true;
      const last = (await append()).position;
      const acknowledged = Date.now();
      await sleep(50);
      expect(subscription.currentAt).toBeLessThanOrEqual(acknowledged);
      fail = false;
      await subscription.reached(last);
      await expect.poll(() => subscription.currentAt).toBeGreaterThan(acknowledged);
      await subscription.stop();
    });

    it("rests after a batch that was not full, and hands over together what came meanwhile", async () => {
      const append = () => store.append({ stream: "s", events: [noted(1)], expected: "any" });
      const batches: number[] = [];
      let last: Promise<{ position: number }> | undefined;
      const subscription = store.subscribe({
        mostRestMs: 10_000,
        handle: async (events) => {
          batches.push(events.length);
          if (batches.length > 1) return;
          await append();
          await sleep(400);
          last = new Promise((resolve) => setImmediate(() => resolve(append())));
        },
      });
      await append();
      await expect.poll(() => last).toBeDefined();
      await subscription.reached((await last!).position);
      expect(batches).toEqual([1, 2]);
      await subscription.stop();
    });

    it("gives a failing handler the same batch again and takes a named subscription up where it was", async () => {
      for (let n = 1; n <= 5; n++) await store.append({ stream: "a", events: [noted(n)], expected: "any" });
      const seen: number[] = [];
      let failures = 0;
      const errors: unknown[] = [];
      const first = store.subscribe({
        name: "reader",
        batch: 2,
        pollMs: 20,
        handle: async (events) => {
          if (events[0]!.position === 3 && failures++ < 2)
            throw new LakeError("internal", "test/failing", "no");
          seen.push(...numbers(events));
        },
        onError: (error) => errors.push(error),
      });
      await first.reached(5);
      await first.stop();
      expect(seen).toEqual([1, 2, 3, 4, 5]);
      expect(errors).toHaveLength(2);
      await store.append({ stream: "a", events: [noted(6)], expected: "any" });
      const second = store.subscribe({
        name: "reader",
        pollMs: 20,
        handle: async (events) => {
          seen.push(...numbers(events));
        },
      });
      await second.reached(6);
      await second.stop();
      expect(seen).toEqual([1, 2, 3, 4, 5, 6]);
    });

    it("reads back every sequence of appends as a list per stream", async () => {
      const appends = fc.array(
        fc.tuple(fc.constantFrom("x", "y", "z"), fc.array(fc.jsonValue(), { minLength: 1 })),
        {
          maxLength: 12,
        },
      );
      let round = 0;
      await fc.assert(
        fc.asyncProperty(appends, async (list) => {
          const prefix = `round${round++}/`;
          const model = new Map<string, string[]>();
          for (const [stream, values] of list) {
            const known = model.get(stream) ?? [];
            const events = values.map((data) => ({ type: "noted", data }));
            const result = await store.append({ stream: prefix + stream, events, expected: known.length });
            // What JSON cannot tell apart (-0) is read back as JSON writes it.
            known.push(...values.map((value) => JSON.stringify(value)));
            model.set(stream, known);
            expect(result.version).toBe(known.length);
          }
          for (const [stream, known] of model) {
            const events = await streamOf(store, prefix + stream);
            expect(events.map((event) => JSON.stringify(event.data))).toEqual(known);
          }
        }),
        { seed: 20261121, numRuns: 25 },
      );
    });
  });
}
