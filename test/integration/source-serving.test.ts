import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createQuery, lakeCatalog, withSystemViews } from "#query";
import { Ledger } from "#runs";
import { serveLake } from "../../src/app/serve.js";
import { runsView } from "../../src/app/system-views.js";
import { type FhirServer, startFhirServer } from "../support/fhir-server/index.js";
import { SourceLake } from "../support/source-lake.js";

let server: FhirServer;
let lake: SourceLake;
beforeEach(async () => {
  server = await startFhirServer({ profile: "no-history", export: { retryAfter: 0 } });
  server.store.put("Patient", "p1", '{"resourceType":"Patient","id":"p1"}');
  lake = await SourceLake.open({
    url: server.url,
    kind: "bulk",
    types: ["Patient"],
    deletes: { policy: "bulk" },
  });
});
afterEach(async () => {
  await lake.close();
  await server.close();
});

describe("the state of sources over HTTP", () => {
  it("tells runs, freshness and that deletes are not known", async () => {
    const first = await lake.run();
    server.store.put("Patient", "p2", '{"resourceType":"Patient","id":"p2"}');
    const second = await lake.run();
    const serving = await serveLake(lake.lake, { host: "127.0.0.1", port: 0, stalenessTargets: { main: 1 } });
    const get = async (place: string) => fetch(`${serving.url}${place}`);
    try {
      const runs = (await (await get("/ingest/runs?source=main")).json()) as { runs: { runId: string }[] };
      expect(runs.runs.map((run) => run.runId)).toEqual([second.record.runId, first.record.runId]);
      expect(await (await get(`/ingest/runs/${first.record.runId}`)).json()).toEqual(first.record);
      expect((await get("/ingest/runs/20990101-000000000-aaaaaa")).status).toBe(404);
      expect((await get("/ingest/runs?limit=0")).status).toBe(400);

      const freshness = await get("/freshness");
      expect(freshness.headers.get("X-Lake-Deletes-Verified")).toBe("false");
      expect(await freshness.json()).toMatchObject({
        deletesVerified: false,
        sources: [
          {
            name: "main",
            stale: true,
            targetSeconds: 0,
            deletesVerified: false,
            deletesVerifiedAt: first.record.types["Patient"]!.transactionTime,
            completeness: { differences: 0 },
            upTo: second.record.types["Patient"]!.transactionTime,
          },
        ],
      });

      const csv = await get("/views/lake_runs.csv");
      expect(csv.headers.get("X-Lake-Deletes-Verified")).toBe("false");
      const lines = (await csv.text()).trimEnd().split("\n");
      expect(lines[0]).toBe(
        "run_id,source,type,since,transaction_time,fetched,stored,deleted,quarantined,error,state,started_at,finished_at",
      );
      expect(lines).toHaveLength(3);
      expect(lines[1]).toContain(`${second.record.runId},main,Patient,`);
      const tag = csv.headers.get("ETag")!;
      const ask = () => fetch(`${serving.url}/views/lake_runs.csv`, { headers: { "If-None-Match": tag } });
      expect((await ask()).status).toBe(304);
      await lake.run();
      expect((await ask()).status).toBe(200);
      const filtered = await get("/views/lake_runs.json?type=Patient&select=run_id,stored&limit=2");
      expect(await filtered.json()).toHaveLength(2);
      expect((await get("/views/lake_runs.parquet")).status).toBe(200);
      const views = (await (await get("/views")).json()) as { views: { name: string }[] };
      expect(views.views.map((view) => view.name)).toContain("lake_runs");
    } finally {
      await serving.close();
    }
  });

  it("can be queried with SQL", async () => {
    await lake.run();
    const runs = new Ledger({ store: lake.lake.store, clock: lake.context.clock });
    const catalog = withSystemViews(lakeCatalog(lake.lake), [runsView(runs)]);
    const temporaryFolder = await mkdtemp(path.join(tmpdir(), "runs-sql-"));
    const query = createQuery({ catalog, database: lake.lake.database, temporaryFolder });
    const sql = "SELECT source, sum(stored) AS stored, max(state) AS state FROM lake_runs GROUP BY 1";
    const answer = await query.runSql(await query.snapshot(), { sql });
    expect(await answer.texts()).toEqual([["main", "1", "succeeded"]]);
    answer.close();
    await query.close();
  });
});
