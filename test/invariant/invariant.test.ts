import fc from "fast-check";
import { afterAll, beforeAll, describe, it } from "vitest";
import { redisAvailable } from "../support/redis-server.js";
import { histories } from "./commands.js";
import { runHistory } from "./history.js";
import { Host } from "./host.js";

const runs = Number(process.env["FHIR_LAKE_INVARIANT_RUNS"] ?? 60);
const seed = Number(process.env["FHIR_LAKE_INVARIANT_SEED"] ?? 20_261_121);

describe.each([
  { where: "following the journal", redis: false, share: 0.95 },
  { where: "sharing live versions in Redis", redis: true, share: 0.05 },
])("a merged read equals a recompute over everything accepted, $where", ({ redis, share }) => {
  let host: Host;
  beforeAll(async () => {
    if (!redis || redisAvailable()) host = await Host.open({ redis });
  });
  afterAll(() => host?.close());

  const numRuns = Math.ceil(runs * share);
  it.skipIf(redis && !redisAvailable())(
    `in ${numRuns} random histories of notifications, batches, flushes, failures, deaths and pins`,
    { timeout: 3_600_000 },
    async () => {
      const property = fc.asyncProperty(histories(12, { redis }), (steps) => runHistory(host, steps));
      await fc.assert(property, {
        seed,
        numRuns,
        endOnFailure: process.env["CI"] === undefined && runs > 1000,
      });
    },
  );

  it.skipIf(redis)("with everything of its own: a disk, threads, HTTP", { timeout: 600_000 }, async () => {
    const property = fc.asyncProperty(histories(12), (steps) => runHistory(host, steps, "plain"));
    await fc.assert(property, { seed, numRuns: Math.ceil(runs / 50), endOnFailure: true });
  });
});
