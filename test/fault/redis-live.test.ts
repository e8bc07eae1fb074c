import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type EventStore, openEventStore } from "#events";
import type { Snapshot } from "#lake";
import { resourceKey } from "#landing";
import { openRedisStore } from "#speed";
import { appendChanges, Replica } from "../../src/speed/live-store.contract.js";
import { type RedisServer, redisAvailable, startRedis } from "../support/redis-server.js";

const KILLS = Number(process.env["FHIR_LAKE_REDIS_KILLS"] ?? "8");
const HISTORIES = Number(process.env["FHIR_LAKE_REDIS_HISTORIES"] ?? "8");
const KEYS = ["meta", "events", "orders", "epochs", "changes"] as const;

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; !(await holds()); attempt++) {
    if (attempt === 400) throw new Error(`waited in vain: ${what}`);
    await sleep(25);
  }
}

describe.skipIf(!redisAvailable())(
  "live versions while Redis fails",
  () => {
    let redis: RedisServer;
    let folder: string;
    let journal: EventStore;
    let lakeId: string;
    let replicas: Replica[];
    let lakes = 0;
    let clock = 0;
    let covered = new Map<string, number>();

    beforeAll(async () => {
      redis = await startRedis();
    });
    afterAll(() => redis.stop());

    const begin = async (): Promise<void> => {
      folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-redis-live-"));
      journal = await openEventStore({ file: path.join(folder, "journal.sqlite") });
      lakeId = `lake-${lakes++}`;
      replicas = [];
      covered = new Map();
    };
    const end = async (): Promise<void> => {
      await Promise.all(replicas.map((replica) => replica.stop()));
      await journal.close();
      await rm(folder, { recursive: true });
    };
    beforeEach(begin);
    afterEach(end);

    const join = async (over: EventStore = journal): Promise<Replica> => {
      const sources = Object.fromEntries(
        [...covered].map(([source, at]) => [source, { journalPosition: at }]),
      );
      const latest = async (): Promise<Snapshot> => ({ sources }) as unknown as Snapshot;
      const store = await openRedisStore({ url: redis.url, lakeId, journal: over, latest });
      const replica = await Replica.start(store, covered);
      if (over === journal) replicas.push(replica);
      return replica;
    };
    const change = (ids: readonly string[], over: EventStore = journal): Promise<void> =>
      appendChanges(
        over,
        ids.map((id) => ({ source: "main", id, clock: ++clock % 7, deletes: clock % 5 === 0 })),
      );
    const right = async (): Promise<void> => {
      for (const replica of replicas) await replica.check(journal);
    };
    const served = (): Promise<void> =>
      until("replicas follow Redis again", () => replicas.every((replica) => replica.degraded === undefined));
    const key = (name: string): string => `fhir-lake:{${lakeId}}:${name}`;
    const position = async (): Promise<number> =>
      Number(await redis.command("HGET", key("meta"), "position"));
    const stored = (): Promise<void> =>
      until("Redis holds the journal", async () => (await position()) === (await journal.head()));

    /** Two replicas that follow Redis, with some changes behind them. */
    const serving = async (): Promise<void> => {
      await join();
      await join();
      await change(["a", "b", "c"]);
      await change(["a"]);
      await right();
      await served();
      await stored();
    };
    /** After a fault: what stands, what comes and who joins are right, and Redis serves again. */
    const healed = async (): Promise<void> => {
      await right();
      await change(["a", "d"]);
      await join();
      await right();
      await served();
      await stored();
      const last = await join();
      expect(last.loaded).toBe(await journal.head());
      await change(["b"]);
      await right();
    };

    it("are loaded from Redis by whoever joins", async () => {
      await serving();
      const third = await join();
      expect(third.loaded).toBe(await journal.head());
      await right();
    });

    it("survive FLUSHALL", async () => {
      await serving();
      await redis.command("FLUSHALL");
      await healed();
    });

    it("survive a death and an empty start, and say meanwhile where they come from", async () => {
      await serving();
      await redis.kill();
      await change(["a", "e"]);
      await right();
      for (const replica of replicas) expect(replica.degraded).toMatch(/^Redis does not answer/);
      await join();
      await right();
      await redis.start();
      await healed();
    });

    it("survive a start from an old dump", async () => {
      await serving();
      const dump = await redis.dump();
      await change(["a", "b", "f"]);
      await right();
      await redis.kill();
      await change(["c"]);
      await redis.start(dump);
      await healed();
    });

    it("survive a dump from before versions were let go that a snapshot covers", async () => {
      await serving();
      const dump = await redis.dump();
      covered = new Map([["main", await journal.head()]]);
      const third = await join();
      await third.source.forget(covered);
      expect(await redis.command("HLEN", key("events"))).toBe(0);
      await journal.trim("changes/", await journal.head());
      await change(["a"]);
      await redis.kill();
      await redis.start(dump);
      const fourth = await join();
      await third.check(journal);
      await fourth.check(journal);
    });

    it("survive a pause, declared while it lasts", async () => {
      await serving();
      await redis.command("CLIENT", "PAUSE", 4000, "ALL");
      await change(["a", "g"]);
      await right();
      for (const replica of replicas) expect(replica.degraded).toMatch(/read from the journal/);
      await healed();
    });

    it("survive a frozen process", async () => {
      await serving();
      redis.freeze();
      try {
        await change(["a", "g"]);
        await right();
        for (const replica of replicas) expect(replica.degraded).toMatch(/read from the journal/);
      } finally {
        redis.thaw();
      }
      await healed();
    });

    it("survive eviction", async () => {
      await serving();
      await redis.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
      await redis.command("CONFIG", "SET", "maxmemory", "3mb");
      try {
        for (let n = 0; n < 60; n++) {
          await redis.command("SET", `filler-${n}`, "x".repeat(100_000));
          if (n % 10 === 0) {
            await change(["a", `h${n}`]);
            await join();
            await right();
          }
        }
        expect(String(await redis.command("INFO", "stats"))).not.toMatch(/evicted_keys:0\r/);
      } finally {
        await redis.command("CONFIG", "SET", "maxmemory", 0);
        await redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction");
      }
      await healed();
    });

    it("survive a full Redis that takes nothing more", async () => {
      await serving();
      await redis.command("CONFIG", "SET", "maxmemory", 1);
      await change(["a", "i"]);
      await right();
      await redis.command("CONFIG", "SET", "maxmemory", 0);
      await healed();
    });

    it.each(KEYS)("survive the loss of the key '%s' alone", async (name) => {
      await serving();
      await redis.command("DEL", key(name));
      await healed();
    });

    it("survive a script that ended half way", async () => {
      await serving();
      await redis.command("HSET", key("meta"), "torn", 1);
      await healed();
    });

    it("are not taken from another journal with the same beginning", async () => {
      await serving();
      const copy = await journal.copyTo(path.join(folder, "copy.sqlite"));
      const other = await openEventStore({ file: copy! });
      const stranger = await join(other);
      for (let n = 0; n < 5; n++) {
        await change(["a", "b"]);
        await change(["b", "j"], other);
        await other.append({ stream: "x", events: [{ type: "x", data: n }], expected: "any" });
        await right();
        await stranger.check(other);
      }
      await stranger.stop();
      await other.close();
      await right();
    });

    it("stay encrypted, and those of an erased person stay unreadable whatever is restored", async () => {
      await serving();
      const dump = await redis.dump();
      expect((await readFile(dump)).includes("canary")).toBe(false);
      const entry = (await redis.command("HVALS", key("events"))) as string[];
      expect(entry.length).toBe(3);
      expect(entry.join("\n")).not.toContain("canary");
      await journal.shred([resourceKey("main", "Patient", "c")]);
      await redis.kill();
      await redis.start(dump);
      const third = await join();
      await third.reached(await journal.head());
      expect(third.changes.map((c) => c.id)).not.toContain("c");
      expect(third.changes.map((c) => c.id)).toContain("b");
    });

    it(`survive kill -9 under load, ${KILLS} times`, async () => {
      await serving();
      let dump: string | undefined;
      for (let n = 0; n < KILLS; n++) {
        const load = (async () => {
          for (let k = 0; k < 30; k++) await change([`k${k % 5}`, `l${(k + n) % 11}`]);
        })();
        await sleep((n * 7) % 40);
        if (n % 3 === 1) dump = await redis.dump().catch(() => dump);
        await redis.kill();
        await load;
        await redis.start(n % 2 === 0 ? undefined : dump);
        await right();
      }
      await healed();
    }, 600_000);

    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          change: fc.array(fc.constantFrom("a", "b", "c", "d"), { minLength: 1, maxLength: 5 }),
        }),
      },
      { weight: 2, arbitrary: fc.constant({ join: true as const }) },
      { weight: 1, arbitrary: fc.record({ lose: fc.constantFrom(...KEYS) }) },
      { weight: 1, arbitrary: fc.constant({ fault: "flush" as const }) },
      { weight: 1, arbitrary: fc.constant({ fault: "dump" as const }) },
      { weight: 1, arbitrary: fc.constant({ fault: "restore" as const }) },
      { weight: 1, arbitrary: fc.constant({ fault: "restart" as const }) },
      { weight: 1, arbitrary: fc.constant({ fault: "pause" as const }) },
      { weight: 1, arbitrary: fc.constant({ cover: true as const }) },
    );
    it(`equal the journal over ${HISTORIES} random histories of faults`, async () => {
      await end();
      let dump: string | undefined;
      const faults = {
        flush: () => redis.command("FLUSHALL"),
        dump: async () => {
          dump = await redis.dump();
        },
        restore: async () => {
          await redis.kill();
          await redis.start(dump);
        },
        restart: async () => {
          await redis.kill();
          await redis.start();
        },
        pause: () => redis.command("CLIENT", "PAUSE", 300, "ALL"),
      };
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 12 }), async (steps) => {
          await begin();
          dump = undefined;
          try {
            await join();
            for (const step of steps) {
              if ("change" in step) await change(step.change);
              else if ("join" in step) await join();
              else if ("lose" in step) await redis.command("DEL", key(step.lose));
              else if ("fault" in step) await faults[step.fault]();
              else {
                covered = new Map([["main", await journal.head()]]);
                for (const replica of replicas) await replica.source.forget(covered);
              }
              if (!("change" in step)) await right();
            }
            await right();
          } finally {
            await end();
          }
        }),
        {
          numRuns: HISTORIES,
          seed: Number(process.env["FHIR_LAKE_SEED"] ?? "20261121"),
          endOnFailure: false,
        },
      );
      await begin();
    }, 3_600_000);
  },
  60_000,
);
