// Ours, for a day: changes without end through journal, live rows, flushes, compaction, trims and vacuum, as a serving process runs them. Arguments: lake
// folder, changes, distinct resources, samples, milliseconds that covered changes are kept, NDJSON inputs…
import { readdir, readlink, stat } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { loadViews, shippedViewsDirectory } from "#batch";
import { Database } from "#duckdb";
import { keepCompact, Lake, vacuum } from "#lake";
import { createQuery, lakeCatalog, mergedCatalog } from "#query";
import { FLUSH_POLICY, startLive } from "../../src/app/live.js";
import { LineVariants, sampleLines } from "../live/changes.js";
import { appendChanges } from "../live/fill-journal.js";

const STEP = 5_000;
const VARIANTS = 10;
const READS = 10;
const READ_PAUSE_MS = 300;
/** A process that uses less of one processor than this is idle. */
const IDLE_SHARE = 0.1;
const QUIET_DEADLINE_MS = 30_000;
/** Where in the changes between two samples one is taken: not where a flush begins, so that there are live rows to read. */
const PHASE = 0.75;
const [location, countText, keysText, samplesText, keepText, ...inputs] = process.argv.slice(2);
const count = Number(countText);
const lake = await Lake.open({ location: location! });
const views = await loadViews([shippedViewsDirectory()], lake.definitions);
// The engine of a serving process, see src/app/serve.ts.
const temporaryFolder = await lake.store.stagingDirectory("answers");
const database = await Database.open({
  tempDirectory: temporaryFolder,
  preserveInsertionOrder: true,
  keepParquetFooters: true,
  memoryLimitBytes: 512 * 2 ** 20,
});
const fail = (error: unknown): void => void process.stderr.write(`${String(error)}\n`);
const live = await startLive({
  lake,
  database,
  journal: { file: path.join(location!, "journal", "journal.sqlite") },
  views,
  flush: { ...FLUSH_POLICY, keepCoveredMs: Number(keepText) },
  onError: fail,
});
const background = new AbortController();
const compacting = keepCompact(lake, { signal: background.signal, onError: fail });
const catalog = mergedCatalog({ batch: lakeCatalog(lake), live: live.rows, database });
const query = createQuery({ catalog, database, temporaryFolder });
// The generator is part of this process: its texts must not take the memory that is measured.
const sample = await sampleLines(inputs, Number(keysText) / VARIANTS);
const lines = new LineVariants(sample, VARIANTS);

async function diskBytes(folder: string): Promise<number> {
  let sum = 0;
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    // Files come and go while they are counted.
    if (entry.isFile())
      sum += (await stat(path.join(entry.parentPath, entry.name)).catch(() => ({ size: 0 }))).size;
  }
  return sum;
}

/** Files that were removed while this process has them open: their bytes are still on the disk. None where nobody tells (only Linux does). */
async function removedButOpen(): Promise<number> {
  const handles = await readdir("/proc/self/fd").catch(() => []);
  const targets = await Promise.all(
    handles.map((handle) => readlink(`/proc/self/fd/${handle}`).catch(() => "")),
  );
  return targets.filter((target) => target.endsWith(" (deleted)")).length;
}

/** Resolves when flush, compaction and settling have nothing to do for a moment, or never seem to come to an end. */
async function quiet(): Promise<void> {
  const until = performance.now() + QUIET_DEADLINE_MS;
  let busy = true;
  while (busy && performance.now() < until) {
    const before = process.cpuUsage();
    await sleep(READ_PAUSE_MS);
    const { user, system } = process.cpuUsage(before);
    busy = (user + system) / 1000 > READ_PAUSE_MS * IDLE_SHARE;
  }
}

/** CPU milliseconds of a page of 100 rows, with nothing else at work: the least of some. */
async function readMs(): Promise<number> {
  await quiet();
  let least = Number.POSITIVE_INFINITY;
  for (let n = 0; n < READS; n++) {
    const before = process.cpuUsage();
    const read = await query.readView({ view: "condition", limit: 100 });
    await read.texts();
    read.release();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1000);
    await sleep(READ_PAUSE_MS);
  }
  return least;
}

const samples: Record<string, number>[] = [];
const every = Math.floor(count / Number(samplesText));
let shown: Promise<unknown> = Promise.resolve();
let append = 0;
for (let sent = 0; sent < count; ) {
  const step = Math.min(STEP, count - sent);
  const begun = performance.now();
  const position = await appendChanges(live.journal, lake, lines, { from: sent, count: step });
  append = Math.max(append, performance.now() - begun);
  // A step is appended while views take in the one before.
  await shown;
  shown = live.rows.reached(position);
  sent += step;
  if (sent < (samples.length + PHASE) * every) continue;
  await shown;
  // As a night's maintenance would, at this scale.
  await vacuum(lake, { keepSnapshots: 4, graceMs: Number(keepText), landingMs: Number(keepText) });
  const { liveResources, snapshot } = live.rows.state();
  const disk = await diskBytes(location!);
  const removed = await removedButOpen();
  const rss = process.memoryUsage.rss();
  samples.push({ sent, rss, disk, removed, read: await readMs(), append, liveResources, snapshot });
  append = 0;
  process.stderr.write(`    ${JSON.stringify(samples.at(-1))}\n`);
}
await shown;
background.abort();
await compacting;
await live.close();
database.close();
await lake.close();
const { user, system } = process.cpuUsage();
const cost = {
  wall: performance.now() / 1000,
  cpu: (user + system) / 1e6,
  peakRss: process.resourceUsage().maxRSS * 1024,
};
process.stdout.write(`${JSON.stringify({ ...cost, facts: { samples } })}\n`);
