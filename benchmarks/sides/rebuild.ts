// Ours: what a serving process that starts has to read before it answers, from the journal and from Redis. Arguments: lake folder, changes to append
// first, distinct resources among them, NDJSON inputs…
import { Database } from "#duckdb";
import { Lake, lakeId } from "#lake";
import { embeddedStore, LiveLake, type LiveStore, openRedisStore } from "#speed";
import { redisAvailable, startRedis } from "../../test/support/redis-server.js";
import { sampleLines } from "../live/changes.js";
import { appendChanges, journalOf } from "../live/fill-journal.js";

const [location, countText, keysText, ...inputs] = process.argv.slice(2);
const count = Number(countText);
const lake = await Lake.open({ location: location! });
const journal = await journalOf(location!);
const head = await appendChanges(journal, lake, await sampleLines(inputs, Number(keysText)), {
  from: 0,
  count,
});

/** Starts live rows in an engine of their own; answers what it took until everything could be read. */
async function start(store: LiveStore): Promise<Record<"wall" | "cpu" | "liveResources", number>> {
  const database = await Database.open({ preserveInsertionOrder: true, memoryLimitBytes: 2 ** 30 });
  const before = process.cpuUsage();
  const started = performance.now();
  const live = await LiveLake.start({ lake, journal, database, store });
  await live.reached(head);
  const wall = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(before);
  const { liveResources } = live.state();
  await live.stop();
  await store.close();
  database.close();
  return { wall, cpu: (user + system) / 1e6, liveResources };
}

const facts: Record<string, unknown> = { journal: await start(embeddedStore(journal)) };
if (redisAvailable()) {
  const redis = await startRedis();
  const open = async (): Promise<LiveStore> =>
    openRedisStore({
      url: redis.url,
      lakeId: await lakeId(lake.store),
      latest: () => lake.history.latest(),
      journal,
    });
  // The first process fills it.
  await start(await open());
  facts["redis"] = await start(await open());
  await redis.stop();
}
process.stdout.write(
  `${JSON.stringify({ wall: 0, cpu: 0, peakRss: process.resourceUsage().maxRSS * 1024, facts })}\n`,
);
await journal.close();
await lake.close();
