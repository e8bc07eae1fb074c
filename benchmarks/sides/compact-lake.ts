// Ours: merges all layers of a lake into bases. Argument: lake folder.
import { Lake } from "#lake";
import { compactInTurn } from "../../src/app/compact-in-turn.js";
import { reportCost } from "../measure.js";

const [location] = process.argv.slice(2);
const lake = await Lake.open({ location: location!, mustExist: true });
await reportCost(async () => {
  const made = await compactInTurn(lake, { full: true, waitMs: 60_000 });
  return { snapshots: made?.length ?? 0 };
});
await lake.close();
