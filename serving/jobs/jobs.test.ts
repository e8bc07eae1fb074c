import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "#kernel";
import { JOB_LIMITS } from "./job.js";
import { JobFiles } from "./job-files.js";
import { type JobRun, Jobs, type JobWork } from "./jobs.js";

const OWNER = "somebody";

/** A run that ends at the moment at which its progress is about to be written. */
function endingAtItsBeat(end: () => void): JobRun {
  let beat: () => void;
  const begun = new Promise<void>((resolve) => {
    beat = resolve;
  });
  async function* body(): AsyncIterable<Uint8Array> {
    yield new Uint8Array([1]);
    await begun;
    end();
  }
  return {
    expectedRows: null,
    headers: {},
    body: body(),
    rows: () => {
      beat();
      return 1;
    },
    close: async () => undefined,
  };
}

function fails(): never {
  throw new Error("The engine gave up.");
}

function workOf(run: JobRun): { readonly work: JobWork; readonly released: Promise<void> } {
  let release: () => void;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const work: JobWork = {
    owner: OWNER,
    name: "answer",
    format: "csv",
    contentType: "text/csv",
    headers: {},
    start: async () => run,
    release: () => release(),
  };
  return { work, released };
}

describe("a job that ends while its progress is written", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-jobs-"));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  /** Many at once, since a write that is overtaken shows in some of them only. */
  it.each([
    { state: "done", end: () => undefined },
    { state: "failed", end: fails },
  ])("is kept as $state", async ({ state, end }) => {
    const many = 60;
    const jobs = new Jobs(folder, systemClock, { ...JOB_LIMITS, running: many });
    const works = Array.from({ length: many }, () => workOf(endingAtItsBeat(end)));
    const submitted = await Promise.all(works.map(async ({ work }) => await jobs.submit(work)));
    await Promise.all(works.map(async ({ released }) => await released));
    const files = new JobFiles(folder);
    const kept = await Promise.all(submitted.map(async ({ id }) => await files.read(id)));
    expect(kept.map((job) => job.state)).toEqual(Array.from({ length: many }, () => state));
    await jobs.close();
  });
});
