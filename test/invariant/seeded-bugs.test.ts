import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { histories } from "./commands.js";
import { runHistory, Violation } from "./history.js";
import { Host } from "./host.js";
import { SEEDED_BUGS } from "./seeded-bugs.js";

const MOST_RUNS = 300;

describe("the comparison with a recompute finds seeded bugs", () => {
  let host: Host;
  beforeAll(async () => {
    host = await Host.open();
  });
  afterAll(() => host.close());

  it.each(SEEDED_BUGS)("$name", { timeout: 600_000 }, async ({ install, longest = 12 }) => {
    const takeOut = install();
    try {
      const property = fc.asyncProperty(histories(longest), (steps) => runHistory(host, steps));
      const outcome = await fc.check(property, { seed: 12, numRuns: MOST_RUNS, endOnFailure: true });
      expect(outcome.failed, `not found in ${MOST_RUNS} histories`).toBe(true);
      // A wrong answer, not a failure that would have been noticed anyway.
      expect(outcome.errorInstance).toBeInstanceOf(Violation);
    } finally {
      takeOut();
    }
  });
});
