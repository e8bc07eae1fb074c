import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { defaultTarget, publishStatus } from "#delta";
import { serveLake } from "../../src/app/serve.js";
import { deltaPython, differenceFromLake, NO_DIFFERENCE, readDelta } from "../support/delta-reader.js";
import { type FhirServer, startFhirServer } from "../support/fhir-server/index.js";
import { SourceLake } from "../support/source-lake.js";

const python = deltaPython();
let server: FhirServer;
let lake: SourceLake;

beforeEach(async () => {
  server = await startFhirServer({ profile: "no-history", export: { retryAfter: 0 } });
  server.store.put("Patient", "p1", '{"resourceType":"Patient","id":"p1"}');
  lake = await SourceLake.open(
    { url: server.url, kind: "bulk", types: ["Patient"] },
    { config: { publish: { tables: ["resources"] } } },
  );
});

afterEach(async () => {
  await lake.close();
  await server.close();
});

it.skipIf(python === undefined)(
  "runs publish what they commit, and /freshness says so",
  async () => {
    const expectPublished = async (version: number): Promise<void> => {
      const table = path.join(lake.lake.store.location, "published/resources/Patient");
      const [read] = readDelta(python!, [{ table, engine: "deltalake" }]);
      const head = await lake.lake.head();
      expect(read!.version).toBe(version);
      expect(await differenceFromLake(lake.lake, head, "resources/Patient", read!.out)).toEqual(
        NO_DIFFERENCE,
      );
    };
    const first = await lake.run();
    expect(first.record.state).toBe("succeeded");
    await expectPublished(0);
    server.store.put("Patient", "p2", '{"resourceType":"Patient","id":"p2","name":[{"family":"new"}]}');
    await lake.run();
    await expectPublished(1);

    const serving = await serveLake(lake.lake, { host: "127.0.0.1", port: 0, compaction: false });
    try {
      const { snapshot, published } = (await (await fetch(`${serving.url}/freshness`)).json()) as {
        snapshot: number;
        published: { snapshot: number; publishedAt: string; behind: number };
      };
      expect(published).toMatchObject({ snapshot, behind: 0 });
      expect(Date.parse(published.publishedAt)).toBeGreaterThan(0);
    } finally {
      await serving.close();
    }
    expect((await publishStatus(lake.lake, defaultTarget(lake.lake.store))).lagSnapshots).toBe(0);
  },
  60_000,
);
