import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { expect, it } from "vitest";
import { isLakeError } from "#kernel";
import { FetchedState, liveOf } from "../../test/support/fetched-state.js";
import { type Fault, startFhirServer } from "../../test/support/fhir-server/index.js";
import { VirtualClock } from "../../test/support/virtual-clock.js";
import { createFhirHttp } from "../http/index.js";
import { fetchBySearch, finishSearch } from "./fetch-by-search.js";

const TYPES = ["Observation", "Patient"];

/** What may go wrong with a request without the source being at fault for ever. */
const fault = fc.oneof(
  fc.record({
    kind: fc.constant("status" as const),
    status: fc.constantFrom(429, 500, 502, 503, 504),
    retryAfter: fc.constantFrom<string | { dateInSeconds: number }>("2", "0", "9999999", {
      dateInSeconds: 3,
    }),
  }),
  fc.constant({ kind: "answer-lost" as const }),
  fc.record({
    kind: fc.constantFrom("die" as const, "truncate" as const),
    bytes: fc.integer({ min: 0, max: 3000 }),
  }),
  fc.constant({ kind: "stale-page" as const }),
  fc.record({ kind: fc.constant("change-total" as const), by: fc.constantFrom(-3, 2) }),
);
const rule = fc.record({
  fault,
  pattern: fc.constantFrom("_sort", "_history", "_summary", "Observation", "_page|_getpages|/page"),
  at: fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 3 }),
});
const expiries = fc.uniqueArray(fc.nat(8), { maxLength: 2 });

/** As a schedule does: what may pass is tried again, with what was kept. */
async function again<T>(work: () => Promise<T>, tries = 4): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (tries > 1 && isLakeError(error) && error.retryable) return await again(work, tries - 1);
    throw error;
  }
}

it("what goes wrong for a while loses and doubles nothing", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(rule, { minLength: 1, maxLength: 5 }), expiries, async (rules, expire) => {
      const clock = new VirtualClock();
      const server = await startFhirServer({
        now: () => clock.now().getTime(),
        changes: { paging: "offset" },
      });
      const http = createFhirHttp({
        baseUrl: server.url,
        auth: { kind: "none" },
        clock,
        random: () => 0,
        maxAttempts: 20,
      });
      const workDir = mkdtempSync(path.join(tmpdir(), "faults-"));
      const state = new FetchedState();
      const put = (type: string, id: string, text: string): void => {
        clock.advance(700);
        server.store.put(type, id, `{"resourceType":"${type}","id":"${id}","language":"${text}"}`);
      };
      try {
        for (let i = 0; i < 20; i++) for (const type of TYPES) put(type, `r${i}`, "a");
        for (const { fault: broken, pattern, at } of rules) {
          server.faults.add({ match: { pattern }, occurrences: at, fault: broken as Fault });
        }
        let since: Readonly<Record<string, string>> = {};
        let steps = 0;
        const bring = async (): Promise<void> => {
          clock.advance(2000);
          const batch = await again(() =>
            fetchBySearch({
              http,
              workDir,
              types: TYPES,
              since,
              history: true,
              pageSize: 4,
              windowSize: 10,
              overlapMs: 1000,
              onProgress: () => {
                if (expire.includes(steps++)) server.expire("pages");
              },
            }),
          );
          await state.land(batch);
          since = { ...since, ...batch.watermarks };
          await finishSearch(workDir);
        };
        await bring();
        for (let i = 0; i < 6; i++) put("Patient", `r${i}`, "b");
        for (let i = 6; i < 9; i++) server.store.delete("Patient", `r${i}`);
        await bring();
        // Whatever was held back comes now that all is well.
        server.faults.clear();
        await bring();
        expect(state.live).toEqual(liveOf(server.store, TYPES));
        expect(state.quarantined).toBe(0);
      } finally {
        await Promise.all([server.close(), http.close()]);
        rmSync(workDir, { recursive: true, force: true });
      }
    }),
    { seed: 11, numRuns: Number(process.env["FHIR_LAKE_RUNS"] ?? 8), endOnFailure: true },
  );
}, 300_000);
