// Ours: reads of one view with and without live changes. Arguments: empty folder, rows, repeats, numbers of live resources (ascending)…
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { loadViews } from "#batch";
import { Database } from "#duckdb";
import { Lake } from "#lake";
import { createQuery, lakeCatalog, mergedCatalog, type ViewRequest } from "#query";
import { LiveLake } from "#speed";
import { ingestNdjson } from "../../src/app/ingest.js";
import { appendChanges, journalOf } from "../live/fill-journal.js";
import { changedObservation, wideView, writeObservations } from "../live/wide-view.js";
import { interleaved } from "../measure.js";

const [folder, rowsText, repeatsText, ...liveTexts] = process.argv.slice(2);
const rows = Number(rowsText);
const location = path.join(folder!, "lake");
await mkdir(folder!, { recursive: true });
const lake = await Lake.open({ location });
const views = await loadViews([wideView(folder!)], lake.definitions);
await ingestNdjson(lake, {
  inputs: [await writeObservations(folder!, rows)],
  source: "main",
  policy: "time",
  views,
});
const journal = await journalOf(location);
const database = await Database.open({ preserveInsertionOrder: true, memoryLimitBytes: 2 ** 30 });
const live = await LiveLake.start({ lake, journal, database });
const catalog = mergedCatalog({ batch: lakeCatalog(lake), live, database });
const query = createQuery({ catalog, database, temporaryFolder: path.join(folder!, "tmp") });

const VIEW = "value_of_observation";
const questions: Record<string, ViewRequest> = {
  "a page of 100 rows": { view: VIEW, limit: 100 },
  "one patient's rows": {
    view: VIEW,
    filters: [{ column: "patient", operator: "eq", value: "main/Patient/p77" }],
  },
  "all rows as CSV": { view: VIEW },
};

interface Cost {
  readonly wall: number;
  readonly cpu: number;
  readonly bytes: number;
}

async function cost(request: ViewRequest): Promise<Cost> {
  const before = process.cpuUsage();
  const started = performance.now();
  const read = await query.readView(request);
  const { body } = await read.encode("csv");
  let bytes = 0;
  for await (const part of body) bytes += part.byteLength;
  read.release();
  const { user, system } = process.cpuUsage(before);
  return { wall: (performance.now() - started) / 1000, cpu: (user + system) / 1e6, bytes };
}

/** By number of live resources and question: what each turn cost, the same turn at the same place of both. */
const result: Record<string, Record<string, Record<"batch" | "merged", Cost[]>>> = {};
let have = 0;
for (const wanted of liveTexts.map(Number)) {
  // Spread over the view, so that every part of it has changes.
  const lines = Array.from({ length: wanted - have }, (_, offset) =>
    changedObservation(((have + offset) * 7919) % rows, have + offset),
  );
  if (lines.length > 0)
    await live.reached(await appendChanges(journal, lake, lines, { from: 0, count: lines.length }));
  have = wanted;
  result[wanted] = {};
  for (const [name, question] of Object.entries(questions)) {
    result[wanted]![name] = await interleaved(
      { batch: () => cost({ ...question, consistency: "batch" }), merged: () => cost(question) },
      { repeats: Number(repeatsText) },
    );
  }
}
process.stdout.write(
  `${JSON.stringify({ wall: 0, cpu: 0, peakRss: process.resourceUsage().maxRSS * 1024, facts: result })}\n`,
);
await live.stop();
database.close();
await journal.close();
await lake.close();
