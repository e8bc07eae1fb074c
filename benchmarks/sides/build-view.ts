// Ours: builds one shipped view of an existing lake into Parquet. Arguments: lake folder, view name.
import { buildViews, loadViews, shippedViewsDirectory } from "#batch";
import { Lake } from "#lake";
import { reportCost } from "../measure.js";

const [location, name] = process.argv.slice(2);
const lake = await Lake.open({ location: location!, mustExist: true });
const all = await loadViews([shippedViewsDirectory()], lake.definitions);
const views = new Map([...all].filter(([view]) => view === name));
await reportCost(async () => {
  const snapshot = await buildViews(lake, { views, force: new Set([name!]) });
  return { rows: snapshot?.views[name!]?.rowCount };
});
await lake.close();
