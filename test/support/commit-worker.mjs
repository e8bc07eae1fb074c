// A writer process for the concurrency test: ingests `rounds` small NDJSON files over the same ids as everybody else and prints what
// was acknowledged. Runs from dist/, as users do.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { loadViews, shippedViewsDirectory } from "#batch";
import { compact, Lake } from "#lake";
import { ingestNdjson } from "../../dist/src/app/ingest.js";

const [location, name, rounds, role] = process.argv.slice(2);
const lake = await Lake.open({ location, memoryLimitBytes: 400e6 });
const all = await loadViews([shippedViewsDirectory()], lake.definitions);
const views = new Map([...all].filter(([view]) => view === "patient_demographics"));
for (let round = 0; round < Number(rounds); round++) {
  if (role === "compactor") {
    await compact(lake, { full: true });
    await new Promise((resolve) => setTimeout(resolve, 150));
    continue;
  }
  if (role === "rebuilder") {
    const { buildViews } = await import("#batch");
    await buildViews(lake, { views, force: new Set(["patient_demographics"]) });
    await new Promise((resolve) => setTimeout(resolve, 150));
    continue;
  }
  const lines = [];
  for (let i = 0; i < 6; i++) {
    const id = `p${(round * 7 + i * 3 + Number(name)) % 20}`;
    const lastUpdated = new Date(
      Date.UTC(2026, 0, 1) + (round * 1000 + Number(name) * 13 + i) * 997,
    ).toISOString();
    lines.push({
      resourceType: "Patient",
      id,
      meta: { lastUpdated },
      identifier: [{ value: `${name}-${round}-${i}` }],
    });
  }
  const file = path.join(process.env.WORK, `${name}-${round}.ndjson`);
  writeFileSync(file, lines.map((line) => JSON.stringify(line)).join("\n"));
  const result = await ingestNdjson(lake, { inputs: [file], source: "shared", policy: "time", views });
  process.stdout.write(
    `${JSON.stringify({ snapshot: result.snapshot?.id ?? null, counts: result.counts, lines })}\n`,
  );
}
await lake.close();
