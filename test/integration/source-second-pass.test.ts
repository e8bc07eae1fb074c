import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FhirServer, startFhirServer } from "../support/fhir-server/index.js";
import { SourceLake } from "../support/source-lake.js";

const TYPES = ["DocumentReference", "Patient"];
let server: FhirServer;
let lake: SourceLake;

function put(type: string, id: string, more: Record<string, unknown> = {}): void {
  server.store.put(type, id, JSON.stringify({ resourceType: type, id, ...more }));
}

function document(id: string, author: string, url: string): void {
  put("DocumentReference", id, {
    status: "current",
    subject: { reference: "Patient/p" },
    author: [{ reference: author }],
    content: [{ attachment: { url } }],
  });
}

beforeEach(async () => {
  server = await startFhirServer({ export: { retryAfter: 0 } });
  put("Patient", "p", { generalPractitioner: [{ reference: "Practitioner/gone" }] });
  for (const id of ["a", "b"]) put("Practitioner", id);
  for (const id of ["1", "2", "3"]) put("Binary", id, { contentType: "text/plain", data: "QQ==" });
  document("d1", "Practitioner/a", "Binary/1");
  document("d2", "Organization/o", `${server.url}/Binary/2`);
  server.clock.shift(2000);
});
afterEach(async () => {
  await lake.close();
  await server.close();
});

const open = (secondPass: Record<string, unknown>, more: Record<string, unknown> = {}) =>
  SourceLake.open({ url: server.url, types: TYPES, kind: "bulk", secondPass, ...more });
const names = async (): Promise<string[]> => [...(await lake.live()).keys()].sort();
const reads = (type: string): string[] =>
  server.requests
    .matching({ method: "GET" })
    .map((request) => request.path)
    .filter((path) => path.startsWith(`/fhir/${type}/`));

describe("a second pass", () => {
  it.each(["bulk", "search"])("brings attachments and targets of references (%s)", async (kind) => {
    lake = await open({ attachments: true, types: ["Practitioner", "Patient"] }, { kind });
    const first = await lake.run();
    expect(first.record).toMatchObject({ state: "succeeded", types: { Binary: { stored: 2 } } });
    const own = ["DocumentReference/d1", "DocumentReference/d2", "Patient/p"];
    expect(await names()).toEqual(["Binary/1", "Binary/2", ...own, "Practitioner/a"]);
    expect(first.record.references).toEqual({ targets: 4, unresolved: { Organization: 1, Practitioner: 1 } });
    expect(await lake.lake.head()).toMatchObject({
      sources: { main: { completeness: { differences: 0, counts: { Patient: { lake: 1 } } } } },
    });

    server.requests.clear();
    document("d3", "Practitioner/a", "Binary/3");
    put("Practitioner", "a", { active: true });
    server.clock.shift(2000);
    const next = await lake.run();
    expect(next.record.references).toEqual({ targets: 2, unresolved: {} });
    // What the lake has is not read again, unless everything is.
    expect(reads("Binary").filter((path) => !path.endsWith("/3"))).toEqual([]);
    expect((await lake.live()).get("Practitioner/a")).not.toContain("active");
    await lake.run({ full: true });
    expect((await lake.live()).get("Practitioner/a")).toContain("active");
  });

  it("keeps to its bounds and says what it left", async () => {
    lake = await open({ attachments: true, maxResources: 1 });
    const { record } = await lake.run();
    expect(record.state).toBe("succeeded");
    expect(record.warnings.join()).toContain("1 resources that others name were not asked for");
    expect((await names()).filter((name) => name.startsWith("Binary"))).toHaveLength(1);
  });

  it("is not made unless it is wanted; what is missing is counted all the same", async () => {
    lake = await open({});
    const { record } = await lake.run();
    expect(reads("Binary")).toEqual([]);
    expect(record.references).toEqual({ targets: 4, unresolved: { Organization: 1, Practitioner: 2 } });
  });

  it("is resumed with the resources that it had", async () => {
    lake = await open({ attachments: true }, { attempts: 1 });
    for (let n = 10; n < 250; n++) {
      put("Binary", `${n}`);
      document(`e${n}`, "Practitioner/a", `Binary/${n}`);
    }
    server.clock.shift(2000);
    server.faults.add({
      match: { pattern: "/fhir/Binary/" },
      occurrences: { from: 210 },
      fault: { kind: "status", status: 500 },
    });
    expect((await lake.run()).record).toMatchObject({ state: "failed", snapshot: null });
    server.faults.clear();
    server.requests.clear();
    expect((await lake.run()).record.state).toBe("succeeded");
    expect((await names()).filter((name) => name.startsWith("Binary"))).toHaveLength(242);
    expect(reads("Binary")).toHaveLength(42);
  });
});
