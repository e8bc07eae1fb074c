import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { OrderPolicy } from "#landing";
import { FetchedState, liveOf } from "../../test/support/fetched-state.js";
import {
  type FhirServer,
  type FhirServerOptions,
  startFhirServer,
} from "../../test/support/fhir-server/index.js";
import { createFhirHttp } from "../http/index.js";
import { fetchBySearch, finishSearch } from "./fetch-by-search.js";

const TYPES = ["Observation", "Patient"];

/** What happens at the server, or that the lake is brought up to date. */
type Step =
  | { readonly kind: "put" | "delete"; readonly type: string; readonly id: number }
  | { readonly kind: "pass"; readonly ms: number }
  /** The writes happen while pages are read. */
  | { readonly kind: "sync"; readonly meanwhile: readonly Step[] };

const write = fc.record({
  kind: fc.constantFrom("put" as const, "put" as const, "delete" as const),
  type: fc.constantFrom(...TYPES),
  id: fc.nat(4),
});
const pass = fc.record({
  kind: fc.constant("pass" as const),
  ms: fc.constantFrom(0, 1, 999, 1000, 60_000, 900_000),
});
const sync = fc.record({ kind: fc.constant("sync" as const), meanwhile: fc.array(write, { maxLength: 6 }) });
const history = fc.array(
  fc.oneof({ weight: 8, arbitrary: write }, { weight: 2, arbitrary: pass }, { weight: 1, arbitrary: sync }),
  {
    minLength: 5,
    maxLength: 60,
  },
);

let value = 0;

function apply(server: FhirServer, step: Step): void {
  if (step.kind === "pass") server.clock.shift(step.ms);
  else if (step.kind === "delete") server.store.delete(step.type, `r${step.id}`);
  else if (step.kind === "put") {
    const text = `{"resourceType":"${step.type}","id":"r${step.id}","text":{"status":"empty","div":"${value++}"}}`;
    server.store.put(step.type, `r${step.id}`, text);
  }
}

async function replay(
  steps: readonly Step[],
  options: FhirServerOptions,
  policy: OrderPolicy,
): Promise<{ got: unknown; wanted: unknown }> {
  const server = await startFhirServer(options);
  const http = createFhirHttp({ baseUrl: server.url, auth: { kind: "none" } });
  const workDir = mkdtempSync(path.join(tmpdir(), "history-"));
  const state = new FetchedState(policy);
  let since: Readonly<Record<string, string>> = {};
  try {
    const bring = async (meanwhile: readonly Step[]): Promise<void> => {
      const waiting = [...meanwhile];
      const batch = await fetchBySearch({
        http,
        workDir,
        types: TYPES,
        since,
        history: true,
        policy,
        pageSize: 3,
        windowSize: 6,
        overlapMs: 1000,
        replicaLagMs: 1000,
        concurrency: 1,
        onProgress: () => {
          const next = waiting.shift();
          if (next !== undefined) apply(server, next);
        },
      });
      expect(batch.incompleteTypes).toEqual([]);
      await state.land(batch);
      since = { ...since, ...batch.watermarks };
      await finishSearch(workDir);
      for (const step of waiting) apply(server, step);
    };
    for (const step of steps) {
      if (step.kind === "sync") await bring(step.meanwhile);
      else apply(server, step);
    }
    server.clock.shift(2000);
    await bring([]);
    return { got: state.live, wanted: liveOf(server.store, TYPES) };
  } finally {
    await Promise.all([server.close(), http.close()]);
    rmSync(workDir, { recursive: true, force: true });
  }
}

describe("fetching by search and history", () => {
  it.each<[string, OrderPolicy, FhirServerOptions]>([
    ["pages of stored results", "time", {}],
    ["pages that move", "time", { changes: { paging: "offset" } }],
    ["versions ordered by number", "version", { changes: { paging: "offset" } }],
    ["only the system's history", "time", { changes: { history: ["system"] } }],
    [
      "a server that does not search by time",
      "time",
      { changes: { lastUpdatedSearch: "ignored", paging: "offset" } },
    ],
  ])(
    "ends with the server's live state, whenever it is done (%s)",
    async (_, policy, options) => {
      await fc.assert(
        fc.asyncProperty(history, async (steps) => {
          const { got, wanted } = await replay(steps, options, policy);
          expect(got).toEqual(wanted);
        }),
        { seed: 20_261_121, numRuns: Number(process.env["FHIR_LAKE_RUNS"] ?? 6), endOnFailure: false },
      );
    },
    120_000,
  );
});
