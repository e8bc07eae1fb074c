// Ours, for a day: changes without end through journal, live rows, flushes, compaction, trims and vacuum, as a serving process runs them. Arguments: lake
// folder, changes, distinct resources, samples, milliseconds that covered changes are kept, minutes after which no further sample is begun, NDJSON inputs…
import { readdir, readlink, stat } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { loadViews, shippedViewsDirectory } from "#batch";
import { Database } from "#duckdb";
import { compact, keepCompact, Lake, vacuum } from "#lake";
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
/** Live resources at which changes wait for the flush: twice as many as begin one, about what 1,000 a second bring while it runs. */
const MOST_LIVE = 2 * FLUSH_POLICY.resources;
const [location, countText, keysText, samplesText, keepText, minutesText, ...inputs] = process.argv.slice(2);
const count = Number(countText);
const endsAt = performance.now() + Number(minutesText) * 60_000;
const every = Math.floor(count / Number(samplesText));
/** Live changes over a compacted snapshot, the state in which all samples are taken: layers and live rows come and go between. */
const liveAtSample = Math.min(4 * STEP, Math.floor(every / 2));
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
const texts = await sampleLines(inputs, Number(keysText) / VARIANTS);
const lines = new LineVariants(texts, VARIANTS);

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

let sent = 0;
let shown: Promise<unknown> = Promise.resolve();
let longestAppend = 0;

/** Appends the next changes while views take in those before. */
async function send(): Promise<void> {
  const step = Math.min(STEP, count - sent);
  const begun = performance.now();
  const position = await appendChanges(live.journal, lake, lines, { from: sent, count: step });
  longestAppend = Math.max(longestAppend, performance.now() - begun);
  await shown;
  shown = live.rows.reached(position);
  sent += step;
  while (live.rows.state().liveResources >= MOST_LIVE) await sleep(READ_PAUSE_MS);
}

/** What there is at this moment, after a night's maintenance at this scale. */
async function sample(): Promise<Record<string, number>> {
  await shown;
  await live.flush();
  await compact(lake, { full: true }).catch(fail);
  await vacuum(lake, { keepSnapshots: 4, graceMs: Number(keepText), landingMs: Number(keepText) });
  for (const until = Math.min(count, sent + liveAtSample); sent < until; ) await send();
  await shown;
  const { liveResources, snapshot } = live.rows.state();
  const disk = await diskBytes(location!);
  const removed = await removedButOpen();
  const rss = process.memoryUsage.rss();
  const append = longestAppend;
  longestAppend = 0;
  return { sent, rss, disk, removed, read: await readMs(), append, liveResources, snapshot };
}

const samples: Record<string, number>[] = [];
while (sent < count && performance.now() < endsAt) {
  await send();
  if (sent < (samples.length + 1) * every - liveAtSample && performance.now() < endsAt) continue;
  samples.push(await sample());
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
