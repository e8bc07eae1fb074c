// Ours: check, land and commit NDJSON, without views. Arguments: lake folder, inputs…
import { mkdirSync } from "node:fs";
import { commitLanding } from "#batch";
import { landNdjson } from "#ingestion";
import { beginLanding, Lake } from "#lake";
import { reportCost } from "../measure.js";

const [location, ...inputs] = process.argv.slice(2);
const lake = await Lake.open({ location: location! });
await reportCost(async () => {
  const place = await beginLanding(lake);
  mkdirSync(place.dir, { recursive: true });
  const started = performance.now();
  const manifest = await landNdjson({
    inputs,
    source: "main",
    policy: "time",
    landingDir: place.dir,
    sequence: place.sequence,
    acceptedAt: place.acceptedAt,
    definitions: lake.definitions,
    limits: { targetFileBytes: lake.chunkBytes },
  });
  const landed = (performance.now() - started) / 1000;
  const { snapshot, counts } = await commitLanding(lake, {
    landingDir: place.dir,
    manifest,
    views: new Map(),
  });
  const tables = Object.values(snapshot?.tables ?? {});
  const bytes = tables
    .flatMap((t) => t.layers.flatMap((l) => l.files))
    .reduce((sum, f) => sum + f.sizeBytes, 0);
  return { rows: counts.stored, landed, bytes };
});
await lake.close();
