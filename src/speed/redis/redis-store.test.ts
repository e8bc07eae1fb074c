import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { openEventStore } from "#events";
import type { Snapshot } from "#lake";
import { type RedisServer, redisAvailable, startRedis } from "../../../test/support/redis-server.js";
import { liveStoreContract } from "../live-store.contract.js";
import { openRedisStore } from "./redis-store.js";

describe.skipIf(!redisAvailable())("live versions in Redis", () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());

  let lakes = 0;
  liveStoreContract("Redis", async (covered) => {
    const folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-store-"));
    const journal = await openEventStore({ file: path.join(folder, "journal.sqlite") });
    const lakeId = `lake-${lakes++}`;
    const snapshot = (): Snapshot =>
      ({
        sources: Object.fromEntries(
          [...covered()].map(([source, journalPosition]) => [source, { journalPosition }]),
        ),
      }) as unknown as Snapshot;
    return {
      journal,
      store: () => openRedisStore({ url: redis.url, lakeId, journal, latest: async () => snapshot() }),
      end: () => rm(folder, { recursive: true }),
    };
  });
});
