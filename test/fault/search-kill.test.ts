import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { FetchedBatch } from "#ingestion";
import { FetchedState, liveOf } from "../support/fetched-state.js";
import { type FhirServer, startFhirServer } from "../support/fhir-server/index.js";
import { seeded } from "../support/random.js";

const WORKER = path.resolve(import.meta.dirname, "../support/search-worker.mjs");
const TYPES = ["Observation", "Patient"];

interface Job {
  readonly url: string;
  readonly workDir: string;
  readonly request: Readonly<Record<string, unknown>>;
  readonly crashAt?: string;
}

/** Runs a worker to its end, or kills it after some time; the batch it printed, or undefined when it was killed. */
function run(job: Job, killAfterMs?: number): Promise<FetchedBatch | undefined> {
  const child = spawn(process.execPath, [WORKER, JSON.stringify(job)], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk) => (output += String(chunk)));
  child.stderr.on("data", (chunk) => (errors += String(chunk)));
  const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), killAfterMs);
  return new Promise((resolve, reject) => {
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      if (signal === "SIGKILL") resolve(undefined);
      else if (code === 0) resolve(JSON.parse(output) as FetchedBatch);
      else reject(new Error(`The worker failed: ${errors}`));
    });
  });
}

interface State {
  readonly state: {
    readonly plan: { readonly units: readonly { name: string; type?: string; window?: { to?: number } }[] };
    readonly results: Readonly<Record<string, unknown>>;
  };
}

/** Of one fetch: remembers when each window was found finished, and tells of requests for it after that. Later fetches may cut windows alike. */
class Watch {
  private readonly server: FhirServer;
  private readonly finishedAt = new Map<string, number>();

  constructor(server: FhirServer) {
    this.server = server;
  }

  note(workDir: string): void {
    let found: State;
    try {
      found = JSON.parse(readFileSync(path.join(workDir, "state.json"), "utf8")) as State;
    } catch {
      return;
    }
    for (const { name, type, window } of found.state.plan.units) {
      if (found.state.results[name] === undefined || window?.to === undefined) continue;
      const key = `/fhir/${type} lt${new Date(window.to).toISOString()}`;
      if (!this.finishedAt.has(key)) this.finishedAt.set(key, this.server.requests.all.length);
    }
  }

  fetchedAgain(): string[] {
    return this.server.requests.all
      .map(({ path: at, query }, i) => ({
        i,
        key: `${at} ${/lt[^&]*/.exec(decodeURIComponent(query))?.[0] ?? ""}`,
      }))
      .filter(({ i, key }) => i >= (this.finishedAt.get(key) ?? Number.POSITIVE_INFINITY))
      .map(({ key }) => key);
  }
}

describe("kill -9 of a fetch by search", () => {
  let server: FhirServer;
  let workDir: string;
  beforeEach(async () => {
    workDir = mkdtempSync(path.join(tmpdir(), "search-kill-"));
    server = await startFhirServer();
    for (let i = 0; i < 120; i++) {
      server.clock.shift(5000);
      server.store.put(
        "Observation",
        `o${i}`,
        `{"resourceType":"Observation","id":"o${i}","valueQuantity":{"value":1.10}}`,
      );
      server.store.put("Patient", `p${i}`, `{"resourceType":"Patient","id":"p${i}"}`);
    }
    server.clock.shift(2000);
    // Slow enough for kills to come between.
    server.faults.add({ match: { pattern: "_sort|_history" }, fault: { kind: "delay", milliseconds: 15 } });
  });
  afterEach(async () => {
    await server.close();
    rmSync(workDir, { recursive: true, force: true });
  });

  const whole = { types: TYPES, since: {}, history: true, pageSize: 7, windowSize: 20, concurrency: 2 };

  /** A night: what changed since, deletes among it. */
  function change(first: FetchedBatch): Readonly<Record<string, unknown>> {
    for (let i = 0; i < 40; i++) {
      server.clock.shift(1000);
      if (i % 4 === 0) server.store.delete("Patient", `p${i}`);
      else server.store.put("Observation", `o${i}`, `{"resourceType":"Observation","id":"o${i}"}`);
    }
    server.clock.shift(2000);
    return { ...whole, since: first.watermarks, overlapMs: 1000 };
  }

  async function drive(job: Job, next: () => Promise<FetchedBatch | undefined>): Promise<FetchedBatch> {
    const watch = new Watch(server);
    for (;;) {
      const batch = await next();
      watch.note(job.workDir);
      if (batch === undefined) continue;
      expect(watch.fetchedAgain()).toEqual([]);
      return batch;
    }
  }

  it("at random moments: everything arrives, and no finished window is fetched again", async () => {
    const random = seeded(Number(process.env["FHIR_LAKE_KILL_SEED"] ?? 20_261_121));
    const kills = Number(process.env["FHIR_LAKE_KILLS"] ?? 20);
    let killed = 0;
    for (let round = 0; killed < kills; round++) {
      const state = new FetchedState();
      const fetch = async (request: Readonly<Record<string, unknown>>): Promise<FetchedBatch> => {
        const job = { url: server.url, workDir, request };
        const batch = await drive(job, async () => {
          const found = await run(job, killed < kills ? 150 + random() * 700 : undefined);
          if (found === undefined) killed++;
          return found;
        });
        await state.land(batch);
        rmSync(workDir, { recursive: true, force: true });
        return batch;
      };
      const first = await fetch({ ...whole, pageSize: 7 + round });
      expect(state.accepted).toBe([...liveOf(server.store, TYPES).keys()].length);
      await fetch({ ...change(first), pageSize: 7 + round });
      expect(state.live).toEqual(liveOf(server.store, TYPES));
      for (let i = 0; i < 40; i += 4)
        server.store.put("Patient", `p${i}`, `{"resourceType":"Patient","id":"p${i}"}`);
      server.clock.shift(2000);
    }
  }, 600_000);

  it("at every named point", async () => {
    const state = new FetchedState();
    const points = ["plan.saved", "page.kept", "unit.complete", "unit.saved"].flatMap((label) => [
      `${label}#1`,
      `${label}#3`,
    ]);
    const fetch = async (request: Readonly<Record<string, unknown>>): Promise<FetchedBatch> => {
      const waiting = [...points];
      const job = { url: server.url, workDir, request };
      const batch = await drive(job, () => {
        const crashAt = waiting.shift();
        return run(crashAt === undefined ? job : { ...job, crashAt });
      });
      await state.land(batch);
      rmSync(workDir, { recursive: true, force: true });
      return batch;
    };
    const first = await fetch(whole);
    expect(state.accepted).toBe(240);
    await fetch(change(first));
    expect(state.live).toEqual(liveOf(server.store, TYPES));
  }, 600_000);
});
