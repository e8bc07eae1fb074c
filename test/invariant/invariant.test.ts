import fc from "fast-check";
import { afterAll, beforeAll, describe, it } from "vitest";
import { histories } from "./commands.js";
import { runHistory } from "./history.js";
import { Host } from "./host.js";

const runs = Number(process.env["FHIR_LAKE_INVARIANT_RUNS"] ?? 30);
const seed = Number(process.env["FHIR_LAKE_INVARIANT_SEED"] ?? 20_261_121);

describe("a merged read equals a recompute over everything accepted", () => {
  let host: Host;
  beforeAll(async () => {
    host = await Host.open();
  });
  afterAll(() => host.close());

  it(`in ${runs} random histories of notifications, batches, flushes, compactions, restarts and pins`, {
    timeout: 3_600_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(histories(12), (commands) => runHistory(host, commands)),
      { seed, numRuns: runs, endOnFailure: process.env["CI"] === undefined && runs > 1000 },
    );
  });
});
