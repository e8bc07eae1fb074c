// Ours, one run of a source: fetch, check and land, commit, views, compare. Arguments: lake folder, base URL of the server, "bulk" or "search", types…
import { loadViews, shippedViewsDirectory } from "#batch";
import { parseConfig } from "#config";
import { systemWaitingClock } from "#ingestion";
import { Lake } from "#lake";
import { runSource } from "../../src/app/source-run/run-source.js";
import { Turn } from "../../src/app/source-run/turn.js";
import { reportCost } from "../measure.js";

const [location, url, kind, ...types] = process.argv.slice(2);
const lake = await Lake.open({ location: location! });
const views = await loadViews([shippedViewsDirectory()], lake.definitions);
const config = parseConfig({ sources: { main: { url, kind, types } } }, "benchmark");
await reportCost(async () => {
  const { record, error } = await runSource(
    { lake, config, views, clock: systemWaitingClock, turn: new Turn() },
    {
      source: { name: "main", config: config.sources["main"]!, folder: ".", environment: {} },
      trigger: "benchmark",
    },
  );
  if (error !== undefined) throw error;
  const { durations, state, statistics } = record;
  const sum = (name: "fetched" | "stored" | "deleted"): number =>
    Object.values(record.types).reduce((total, type) => total + type[name], 0);
  const head = await lake.head();
  const resources = Object.values(head.tables).reduce((total, table) => total + table.resourceCount, 0);
  const differences = head.sources["main"]?.completeness?.differences;
  return {
    state,
    durations,
    fetched: sum("fetched"),
    stored: sum("stored"),
    deleted: sum("deleted"),
    resources,
    differences,
    bytes: statistics?.bytes,
  };
});
await lake.close();
