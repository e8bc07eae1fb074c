import fc from "fast-check";
import { afterAll, beforeAll, describe, it } from "vitest";
import type { Database } from "#duckdb";
import { histories } from "./commands.js";
import { runHistory } from "./history.js";
import { openReadEngine } from "./world.js";

const runs = Number(process.env["FHIR_LAKE_INVARIANT_RUNS"] ?? 30);
const seed = Number(process.env["FHIR_LAKE_INVARIANT_SEED"] ?? 20_261_121);

describe("a merged read equals a recompute over everything accepted", () => {
  let database: Database;
  beforeAll(async () => {
    database = await openReadEngine();
  });
  afterAll(() => database.close());

  it(`in ${runs} random histories of notifications, batches, flushes, compactions, restarts and pins`, {
    timeout: 3_600_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(histories(12), (commands) => runHistory(database, commands)),
      { seed, numRuns: runs, endOnFailure: process.env["CI"] === undefined && runs > 1000 },
    );
  });
});
