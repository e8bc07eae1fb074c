// Ours: live rows of all views from what stands in the journal. Arguments: lake folder, changes to append first, NDJSON inputs…
import { Database } from "#duckdb";
import { Lake } from "#lake";
import { LiveLake } from "#speed";
import { sampleLines } from "../live/changes.js";
import { appendChanges, journalOf } from "../live/fill-journal.js";
import { reportCost } from "../measure.js";

const [location, count, ...inputs] = process.argv.slice(2);
const lake = await Lake.open({ location: location! });
const journal = await journalOf(location!);
const lines = await sampleLines(inputs, 20_000);
await appendChanges(journal, lake, lines, { from: 0, count: Number(count) });
const database = await Database.open({ preserveInsertionOrder: true, memoryLimitBytes: 2 ** 30 });
await reportCost(async () => {
  const live = await LiveLake.start({ lake, journal, database });
  const { liveResources } = live.state();
  await live.stop();
  return { liveResources };
});
database.close();
await journal.close();
await lake.close();
