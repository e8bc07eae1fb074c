import { afterEach, describe, expect, it } from "vitest";
import { createFhirHttp } from "#ingestion";
import { compareWithSource } from "../../src/app/source-run/completeness.js";
import { type FhirServer, type FhirServerOptions, startFhirServer } from "../support/fhir-server/index.js";
import { SourceLake } from "../support/source-lake.js";

const TYPES = ["Patient"];
let server: FhirServer;
let lake: SourceLake;
afterEach(async () => {
  await lake.close();
  await server.close();
});

async function begin(options: FhirServerOptions, source: Readonly<Record<string, unknown>>): Promise<void> {
  server = await startFhirServer({ export: { retryAfter: 0 }, ...options });
  for (let i = 1; i <= 12; i++) write(`p${i}`, "Family");
  server.clock.shift(2000);
  lake = await SourceLake.open({ url: server.url, types: TYPES, completeness: { sample: 12 }, ...source });
}

function write(id: string, family: string): void {
  server.store.put("Patient", id, JSON.stringify({ resourceType: "Patient", id, name: [{ family }] }));
}

const completeness = async () => (await lake.lake.head()).sources["main"]!.completeness!;

describe("the comparison after a run", () => {
  it.each(["bulk", "search"])("finds no difference where there is none (%s)", async (kind) => {
    await begin({}, { kind });
    expect((await lake.run()).record.state).toBe("succeeded");
    expect(await completeness()).toMatchObject({
      differences: 0,
      sampled: 12,
      sampleDifferences: 0,
      counts: { Patient: { source: 12, lake: 12 } },
    });
  });

  it("does not take changes that came since for differences", async () => {
    await begin({}, { kind: "search" });
    await lake.run();
    server.clock.shift(5000);
    write("p1", "Changed");
    write("new", "New");
    const http = createFhirHttp({ baseUrl: server.url, auth: { kind: "none" } });
    const source = { name: "main", config: lake.config.sources["main"]!, folder: ".", environment: {} };
    const request = { ...lake.context, source, http, signal: new AbortController().signal };
    const found = await compareWithSource(request, { sample: 12, counts: true });
    await http.close();
    expect(found).toMatchObject({
      differences: 0,
      counts: { Patient: { source: 13, lake: 12, differs: false } },
    });
  });

  it("copes with a very long string", async () => {
    await begin({}, { kind: "bulk" });
    write("big", "x".repeat(12_000_000));
    server.clock.shift(2000);
    await lake.run();
    expect(await completeness()).toMatchObject({
      differences: 0,
      counts: { Patient: { source: 13, lake: 13 } },
    });
  });
});
