import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ingest, patient, patients } from "../../../test/support/patients.js";
import { Lake } from "../lake.js";
import { liveResources } from "../relation.js";
import { keepCompact } from "./keep-compact.js";
import { verify } from "./verify.js";

let lake: Lake;
beforeEach(async () => {
  lake = await Lake.open({ location: await mkdtemp(path.join(tmpdir(), "fhir-lake-keep-")) });
});
afterEach(async () => {
  await lake.close();
  await rm(lake.store.location, { recursive: true, force: true });
});

const mostLayers = async (): Promise<number> => (await lake.head()).tables["Patient"]!.layers.length;

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error("it did not happen within ten seconds");
}

describe("background compaction", () => {
  it("merges layers while others write, without changing what any reader sees", async () => {
    await ingest(
      lake,
      Array.from({ length: 30 }, (_, i) => patient(`p${i}`, 0)),
    );
    const first = await lake.head();
    const { relation } = await liveResources(lake, "Patient", first.tables["Patient"]!);
    const stop = new AbortController();
    const errors: unknown[] = [];
    const work = keepCompact(lake, { signal: stop.signal, intervalMs: 10, onError: (e) => errors.push(e) });
    for (let i = 1; i <= 24; i++) {
      await ingest(lake, [patient(`p${i}`, i, "male"), patient(`n${i}`, i)]);
      // A reader that began before all of this keeps its answer.
      const [row] = await lake.database.with((c) =>
        c.rows<{ n: string }>(`SELECT count(*) AS n FROM ${relation}`),
      );
      expect(row?.n).toBe("30");
    }
    await until(async () => (await mostLayers()) <= 9);
    stop.abort();
    await work;
    expect(errors).toEqual([]);
    const found = await patients(lake);
    expect(found).toHaveLength(54);
    expect(found.filter((p) => p.gender === "male")).toHaveLength(24);
    expect((await verify(lake)).damaged).toEqual([]);
    const ids = await lake.history.ids();
    const kinds = await Promise.all(ids.map(async (id) => (await lake.history.at(id)).operation.kind));
    expect(kinds.filter((kind) => kind === "compact").length).toBeGreaterThan(0);
  });

  it("ends at once when it is told to, and leaves nothing behind", async () => {
    await ingest(lake, [patient("a", 1)]);
    for (let i = 2; i < 14; i++) await ingest(lake, [patient("a", i)]);
    const stop = new AbortController();
    stop.abort();
    await keepCompact(lake, { signal: stop.signal });
    const late = new AbortController();
    const work = keepCompact(lake, { signal: late.signal, intervalMs: 60_000 });
    setTimeout(() => late.abort(), 5);
    await work;
    const left = await readdir(path.dirname(lake.stagingRoot));
    expect(left.filter((name) => name.startsWith("write-"))).toEqual([]);
    expect((await verify(lake)).damaged).toEqual([]);
  });

  it("goes on after a failure and tells of it", async () => {
    const stop = new AbortController();
    const errors: unknown[] = [];
    const work = keepCompact(lake, {
      signal: stop.signal,
      intervalMs: 5,
      onError: (error) => errors.push(error),
      onCompacted: () => {
        throw new Error("told too much");
      },
    });
    await ingest(lake, [patient("a", 0)]);
    for (let i = 1; i < 12; i++) await ingest(lake, [patient("a", i)]);
    await until(async () => errors.length > 0);
    for (let i = 20; i < 40; i++) await ingest(lake, [patient("a", i), patient("b", i)]);
    await until(async () => (await mostLayers()) <= 9);
    stop.abort();
    await work;
    expect(await patients(lake)).toHaveLength(2);
  });
});
