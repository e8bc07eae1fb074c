import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import type { FetchedBatch } from "#ingestion";
import { filledServer, linesOf, liveOn, TYPES, workFolder } from "../support/export-fixture.js";
import type { FhirServer } from "../support/fhir-server/index.js";
import { seeded } from "../support/random.js";

const WORKER = path.resolve(import.meta.dirname, "../support/export-worker.mjs");

interface Job {
  readonly url: string;
  readonly workDir: string;
  readonly request?: Readonly<Record<string, unknown>>;
  readonly crashAt?: string;
  readonly finish?: boolean;
}

/** Runs a worker to its end, or kills it after some time. */
function run(job: Job, killAfterMs?: number): Promise<{ readonly killed: boolean; readonly output: string }> {
  const child = spawn(process.execPath, [WORKER, JSON.stringify(job)], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk) => (output += String(chunk)));
  child.stderr.on("data", (chunk) => (errors += String(chunk)));
  const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), killAfterMs);
  return new Promise((resolve, reject) => {
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      if (code === 0 || signal === "SIGKILL") resolve({ killed: signal === "SIGKILL", output });
      else reject(new Error(`The worker failed: ${errors}`));
    });
  });
}

/** Server paths of the files that stand complete in a folder, as the files themselves and the state tell. */
function finishedPaths(workDir: string): string[] {
  const stateFile = path.join(workDir, "state.json");
  const filesFolder = path.join(workDir, "files");
  if (!existsSync(stateFile) || !existsSync(filesFolder)) return [];
  const state = JSON.parse(readFileSync(stateFile, "utf8")) as {
    pages: { files: { name: string; url: string }[] }[];
  };
  const names = new Set(readdirSync(filesFolder));
  return state.pages
    .flatMap((page) => page.files)
    .filter(({ name }) => names.has(name))
    .map(({ url }) => new URL(url).pathname);
}

/** Remembers when each file was found finished, and tells of requests for it after that. */
class Watch {
  private readonly server: FhirServer;
  private readonly finishedAt = new Map<string, number>();

  constructor(server: FhirServer) {
    this.server = server;
  }

  note(workDir: string): void {
    for (const file of finishedPaths(workDir)) {
      if (!this.finishedAt.has(file)) this.finishedAt.set(file, this.server.requests.all.length);
    }
  }

  fetchedAgain(): string[] {
    return this.server.requests.all
      .filter(({ path: file }, at) => at >= (this.finishedAt.get(file) ?? Number.POSITIVE_INFINITY))
      .map(({ path: file }) => file);
  }
}

const LABELS = [
  "kickoff.intended",
  "kickoff.answered",
  "kickoff.saved",
  "page.saved",
  "file.renamed",
  "file.recorded",
  "changes.written",
  "batch.ready",
];

async function world(): Promise<{ server: FhirServer; request: Readonly<Record<string, unknown>> }> {
  const { server, clock } = await filledServer({ changes: { export: { rowsPerFile: 5 } } });
  server.store.delete("Encounter", "e7");
  clock.advance(60_000);
  // Slow files, so that most kills come while some are half here.
  server.faults.add({
    match: { pattern: "/_files/" },
    fault: { kind: "delay", milliseconds: 25, bytes: 40 },
  });
  return {
    server,
    request: { level: { kind: "system" }, types: TYPES, kickoff: "POST", since: "2020-01-01T00:00:00Z" },
  };
}

async function checkEnd(server: FhirServer, job: Job): Promise<void> {
  const { output } = await run(job);
  const batch = JSON.parse(output) as FetchedBatch;
  expect(linesOf(batch)).toEqual(liveOn(server));
  expect(linesOf(batch, "changes")).toHaveLength(1);
}

describe("kill -9 of an export", () => {
  it("at random moments: everything arrives, and no finished file is fetched again", async () => {
    const random = seeded(Number(process.env["FHIR_LAKE_KILL_SEED"] ?? 20261121));
    const kills = Number(process.env["FHIR_LAKE_KILLS"] ?? 20);
    const { server, request } = await world();
    const watch = new Watch(server);
    const exports = { done: 0, begun: 0 };
    for (let killed = 0; killed < kills; exports.begun++) {
      const workDir = await workFolder();
      const job = { url: server.url, workDir, request };
      for (let tries = 0; tries < 8 && killed < kills; tries++) {
        const end = await run(job, 150 + random() * 600);
        if (end.killed) killed++;
        watch.note(workDir);
        if (!end.killed) break;
      }
      await checkEnd(server, job);
      await run({ ...job, finish: true });
      expect(readdirSync(workDir)).toEqual([]);
      exports.done++;
    }
    expect(watch.fetchedAgain()).toEqual([]);
    expect(exports.done).toBe(exports.begun);
  }, 600_000);

  it("at every named point, each time it is reached", async () => {
    const { server, request } = await world();
    const watch = new Watch(server);
    const most = Number(process.env["FHIR_LAKE_KILL_POINTS"] ?? 1);
    for (const label of LABELS) {
      const workDir = await workFolder();
      const job = { url: server.url, workDir, request };
      for (let k = 1; k <= most; k++) {
        const { killed } = await run({ ...job, crashAt: `${label}#${k}` });
        watch.note(workDir);
        if (!killed) break;
      }
      await checkEnd(server, job);
      for (const point of ["finish.released", "finish.emptied"]) {
        await run({ ...job, finish: true, crashAt: `${point}#1` });
      }
      await run({ ...job, finish: true });
      expect(readdirSync(workDir)).toEqual([]);
    }
    expect(watch.fetchedAgain()).toEqual([]);
  }, 600_000);
});
