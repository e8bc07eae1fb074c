// Ours: builds all shipped views of an existing lake. Argument: lake folder.
import { buildViews, loadViews, shippedViewsDirectory } from "#batch";
import { Lake } from "#lake";
import { reportCost } from "../measure.js";

const [location] = process.argv.slice(2);
const lake = await Lake.open({ location: location!, mustExist: true });
const views = await loadViews([shippedViewsDirectory()], lake.definitions);
await reportCost(async () => {
  const snapshot = await buildViews(lake, { views });
  const built = Object.values(snapshot?.views ?? {});
  return { views: built.length, rows: built.reduce((sum, view) => sum + view.rowCount, 0) };
});
await lake.close();
