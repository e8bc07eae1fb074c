// Ours, whole: check, land, commit, views, compaction by policy. Arguments: lake folder, memory limit in bytes (0 = default), inputs…
import { loadViews, shippedViewsDirectory } from "#batch";
import { Lake } from "#lake";
import { ingestNdjson } from "../../src/app/ingest.js";
import { reportCost } from "../measure.js";

const [location, memory, ...inputs] = process.argv.slice(2);
const lake = await Lake.open({
  location: location!,
  ...(Number(memory) === 0 ? {} : { memoryLimitBytes: Number(memory) }),
});
const views = await loadViews([shippedViewsDirectory()], lake.definitions);
await reportCost(async () => {
  const started = performance.now();
  const marks: Record<string, number> = {};
  const result = await ingestNdjson(lake, {
    inputs,
    source: "main",
    policy: "time",
    views,
    onProgress: (phase) => {
      marks[phase] ??= (performance.now() - started) / 1000;
    },
  });
  const resources = Object.values(result.head?.tables ?? {}).reduce((sum, t) => sum + t.resourceCount, 0);
  const rows = Object.values(result.head?.views ?? {}).reduce((sum, v) => sum + v.rowCount, 0);
  return {
    stored: result.counts.stored,
    resources,
    viewRows: rows,
    snapshot: result.head?.id,
    phases: marks,
  };
});
await lake.close();
