import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { EventStore, StoredEvent, Subscription } from "#events";
import {
  type Change,
  changeEvent,
  changeOf,
  changeStream,
  erasedEvent,
  erasedKeysOf,
  resourceKey,
} from "#landing";
import type { LiveStore } from "./live-store.js";

/** A change of a script: which resource of which source, how new it is, and whether it deletes. */
export interface ScriptedChange {
  readonly source: string;
  readonly id: string;
  readonly clock: number;
  readonly deletes: boolean;
}

/** The event of a Patient's change; with `raw` its text, without it a delete. */
export function patientEvent(
  source: string,
  id: string,
  { clock, raw = "" }: { readonly clock: number; readonly raw?: string },
): ReturnType<typeof changeEvent> {
  return changeEvent({
    source,
    type: "Patient",
    policy: "time",
    kind: raw === "" ? "D" : "U",
    key: resourceKey(source, "Patient", id),
    id,
    version: String(clock),
    lastUpdated: "2026-01-01T00:00:00Z",
    clock: clock.toString(16).padStart(32, "0"),
    sequence: 0,
    rawHash: "ab".repeat(32),
    raw,
  });
}

/** Appends changes in one go, as one notification would. */
export async function appendChanges(journal: EventStore, changes: readonly ScriptedChange[]): Promise<void> {
  await Promise.all(
    changes.map(({ source, id, clock, deletes }) => {
      const raw = `{"resourceType":"Patient","id":"${id}","name":[{"text":"canary ${clock}"}]}`;
      const event = patientEvent(source, id, deletes ? { clock } : { clock, raw });
      return journal.append({ stream: changeStream(source), events: [event], expected: "any" });
    }),
  );
}

/** Newest versions by key: the one with the greatest order key, however they came. */
export function newest(changes: readonly Change[]): Map<string, Change> {
  const byKey = new Map<string, Change>();
  for (const change of changes) {
    const known = byKey.get(change.key);
    if (known === undefined || known.order < change.order) byKey.set(change.key, change);
  }
  return byKey;
}

/** All changes that the journal holds. */
export async function journalChanges(journal: EventStore): Promise<Change[]> {
  const trimmed = await journal.trimmedTo("changes/");
  const events = await journal.readAll(trimmed, 1_000_000, { streamPrefix: "changes/" });
  return events.flatMap((event) => changeOf(event) ?? []);
}

/** One process that begins over a snapshot, as a live lake does. */
export class Replica {
  readonly handed: StoredEvent[] = [];
  readonly covered: ReadonlyMap<string, number>;
  loaded: number | undefined;
  readonly source: LiveStore;
  private following!: Subscription;

  private constructor(store: LiveStore, covered: ReadonlyMap<string, number>) {
    this.source = store;
    this.covered = covered;
  }

  static async start(store: LiveStore, covered: ReadonlyMap<string, number>): Promise<Replica> {
    const replica = new Replica(store, covered);
    const needed = covered.size === 0 ? 0 : Math.min(...covered.values());
    const handle = async (events: readonly StoredEvent[]): Promise<void> => {
      replica.handed.push(...events);
    };
    replica.loaded = await store.load({ needed, covered: (source) => covered.get(source) ?? 0, handle });
    if (replica.loaded === undefined) replica.handed.length = 0;
    replica.following = store.follow({
      from: replica.loaded ?? needed,
      handle,
      onError: (error) => {
        throw error;
      },
      onRecovered: () => undefined,
    });
    return replica;
  }

  reached(position: number): Promise<void> {
    return this.following.reached(position);
  }

  get changes(): Change[] {
    return this.handed.flatMap((event) => changeOf(event) ?? []);
  }

  get degraded(): string | undefined {
    return this.source.degraded;
  }

  get currentAt(): number {
    return this.following.currentAt;
  }

  async stop(): Promise<void> {
    await this.following.stop();
    await this.source.close();
  }

  /** Compares with the journal: every resource whose newest version is not covered stands here, and is that version. */
  async check(journal: EventStore): Promise<void> {
    await this.reached(await journal.head());
    const own = newest(this.changes);
    for (const [key, change] of newest(await journalChanges(journal))) {
      if (change.position <= (this.covered.get(change.source) ?? 0)) continue;
      expect(own.get(key)).toEqual(change);
    }
  }
}

const scripted = fc.record({
  source: fc.constantFrom("main", "other"),
  id: fc.constantFrom("a", "b", "c", "d"),
  clock: fc.integer({ min: 1, max: 9 }),
  deletes: fc.boolean(),
});
const operation = fc.oneof(
  { weight: 4, arbitrary: fc.record({ append: fc.array(scripted, { minLength: 1, maxLength: 6 }) }) },
  { weight: 1, arbitrary: fc.constant({ note: true as const }) },
  { weight: 1, arbitrary: fc.constant({ cover: true as const }) },
  { weight: 2, arbitrary: fc.constant({ join: true as const }) },
);

/**
 * What every live store must do; run by each adapter's own test file. `open` gives an empty journal, and stores over it as several
 * processes would open them; `covered` answers what the newest snapshot covers.
 */
export function liveStoreContract(
  name: string,
  open: (covered: () => ReadonlyMap<string, number>) => Promise<{
    journal: EventStore;
    store(): Promise<LiveStore>;
    end(): Promise<void>;
  }>,
): void {
  describe(`live store contract: ${name}`, () => {
    let place: Awaited<ReturnType<typeof open>>;
    let covered = new Map<string, number>();
    const replicas: Replica[] = [];
    const join = async (): Promise<Replica> => {
      const replica = await Replica.start(await place.store(), covered);
      replicas.push(replica);
      return replica;
    };
    const begin = async (): Promise<void> => {
      covered = new Map();
      place = await open(() => covered);
    };
    const end = async (): Promise<void> => {
      await Promise.all(replicas.splice(0).map((replica) => replica.stop()));
      await place.journal.close();
      await place.end();
    };
    beforeEach(begin);
    afterEach(end);

    it("knows how current it is while changes never cease", async () => {
      const replica = await join();
      const began = Date.now();
      let ceased = false;
      const append = (): Promise<void> =>
        appendChanges(place.journal, [{ source: "main", id: "a", clock: 1, deletes: false }]);
      const appending = (async () => {
        while (!ceased) {
          await append();
          // Hands the thread over to what is under way, and comes back before it is done.
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();
      await expect
        .poll(() => replica.currentAt, { timeout: 10_000 })
        .toBeGreaterThan(began + 1000)
        .finally(() => {
          ceased = true;
        });
      await appending;
      expect(replica.degraded).toBeUndefined();
    });

    it("hands every change over once and in order, wherever it was appended", async () => {
      const both = [await join(), await join()];
      for (let n = 1; n <= 20; n++) {
        await appendChanges(place.journal, [
          { source: "main", id: `p${n % 3}`, clock: n, deletes: n % 5 === 0 },
        ]);
        if (n % 7 === 0)
          await place.journal.append({ stream: "x", events: [{ type: "x", data: 1 }], expected: "any" });
      }
      const head = await place.journal.head();
      const all = await place.journal.readAll(0, 100, { streamPrefix: "changes/" });
      for (const replica of both) {
        await replica.reached(head);
        expect(replica.handed).toEqual(all);
        expect(replica.degraded).toBeUndefined();
      }
    });

    it("hands an erasure over in its place, and nothing of what it took to whoever joins later", async () => {
      const early = await join();
      const change = (id: string, clock: number) => ({ source: "main", id, clock, deletes: false });
      await appendChanges(place.journal, [change("a", 5)]);
      await appendChanges(place.journal, [change("b", 5)]);
      const key = resourceKey("main", "Patient", "a");
      const { position } = await place.journal.append({
        stream: changeStream("main"),
        events: [erasedEvent([key])],
        expected: "any",
      });
      await place.journal.shred([key]);
      await early.reached(position);
      expect(early.handed.map((event) => erasedKeysOf(event))).toEqual([undefined, undefined, [key]]);
      // What comes afterwards counts, though it is older than what was erased.
      await appendChanges(place.journal, [change("a", 3)]);
      const late = await join();
      await late.reached(await place.journal.head());
      const known = (replica: Replica): string[] =>
        [...newest(replica.changes).values()].map(({ id, version }) => `${id} ${version}`).sort();
      expect(known(late)).toEqual(["a 3", "b 5"]);
    });

    it("tells of a position as reached though no change stands there", async () => {
      const replica = await join();
      const { position } = await place.journal.append({
        stream: "x",
        events: [{ type: "x", data: 1 }],
        expected: "any",
      });
      await replica.reached(position);
      expect(replica.handed).toEqual([]);
    });

    it("gives whoever joins the journal's newest versions, over random histories", async () => {
      await end();
      await fc.assert(
        fc.asyncProperty(fc.array(operation, { minLength: 3, maxLength: 14 }), async (operations) => {
          await begin();
          try {
            for (const operation of operations) {
              if ("append" in operation) await appendChanges(place.journal, operation.append);
              else if ("note" in operation) {
                await place.journal.append({
                  stream: "x",
                  events: [{ type: "x", data: 1 }],
                  expected: "any",
                });
              } else if ("cover" in operation) {
                const head = await place.journal.head();
                covered = new Map([
                  ["main", head],
                  ["other", Math.max(covered.get("other") ?? 0, Math.floor(head / 2))],
                ]);
                await Promise.all((await stores()).map((store) => store.forget(covered)));
              } else await join();
            }
            await join();
            for (const replica of replicas) await replica.check(place.journal);
          } finally {
            await end();
          }
        }),
        { numRuns: 25, seed: 20261121 },
      );
      await begin();

      async function stores(): Promise<LiveStore[]> {
        return replicas.length === 0 ? [(await join()).source] : replicas.map((replica) => replica.source);
      }
    }, 120_000);

    it("gives a shredded subject's changes without their texts", async () => {
      await appendChanges(place.journal, [
        { source: "main", id: "a", clock: 1, deletes: false },
        { source: "main", id: "b", clock: 2, deletes: false },
      ]);
      const first = await join();
      await first.reached(2);
      await place.journal.shred([resourceKey("main", "Patient", "a")]);
      const second = await join();
      await second.reached(2);
      expect(second.changes.map((change) => change.id)).toEqual(["b"]);
    });
  });
}
