// Ours: a page and a count of the view `observation`, of the snapshot alone and merged with live changes. Arguments: lake folder, number
// of live changes, repeats, NDJSON files to take the changes from…
import path from "node:path";
import { Database } from "#duckdb";
import { Lake } from "#lake";
import { createQuery, lakeCatalog, mergedCatalog, type ViewRequest } from "#query";
import { LiveLake } from "#speed";
import { sampleLines } from "../live/changes.js";
import { appendChanges, journalOf } from "../live/fill-journal.js";

const [location, changesText, repeatsText, ...files] = process.argv.slice(2);
const lake = await Lake.open({ location: location!, mustExist: true });
const journal = await journalOf(location!);
const database = await Database.open({ preserveInsertionOrder: true, memoryLimitBytes: 2 ** 30 });
const live = await LiveLake.start({ lake, journal, database });
const catalog = mergedCatalog({ batch: lakeCatalog(lake), live, database });
const query = createQuery({ catalog, database, temporaryFolder: path.join(location!, "..", "tmp") });

const lines = await sampleLines(files, Number(changesText));
await live.reached(await appendChanges(journal, lake, lines, { from: 0, count: lines.length }));

const VIEW = "observation";
const counted: ViewRequest = {
  view: VIEW,
  filters: [{ column: "loinc_code", operator: "eq", value: "8867-4" }],
};

/** Milliseconds of a page of 100 rows by key, as JSON. */
async function page(request: Partial<ViewRequest>): Promise<number> {
  const started = performance.now();
  const read = await query.readView({ view: VIEW, limit: 100, ...request });
  const { body } = await read.encode("json");
  for await (const part of body) void part;
  read.release();
  return performance.now() - started;
}

/** Milliseconds of an exact count by code. */
async function count(request: Partial<ViewRequest>): Promise<number> {
  const started = performance.now();
  const read = await query.readView({ ...counted, ...request });
  await read.count("exact");
  read.release();
  return performance.now() - started;
}

const measures: Record<string, () => Promise<number>> = {
  page: () => page({ consistency: "batch" }),
  count: () => count({ consistency: "batch" }),
  "merged page": () => page({}),
  "merged count": () => count({}),
};
const times: Record<string, number[]> = Object.fromEntries(Object.keys(measures).map((name) => [name, []]));
for (let turn = -1; turn < Number(repeatsText); turn++) {
  for (const [name, measure] of Object.entries(measures)) {
    const ms = await measure();
    if (turn >= 0) times[name]!.push(ms);
  }
}
const facts = { times, live: lines.length };
const peakRss = process.resourceUsage().maxRSS * 1024;
process.stdout.write(`${JSON.stringify({ wall: 0, cpu: 0, peakRss, facts })}\n`);
await live.stop();
database.close();
await journal.close();
await lake.close();
