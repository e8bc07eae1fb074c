import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { clientOf, filledServer, workFolder } from "../../test/support/export-fixture.js";
import { json, scriptedServer } from "../../test/support/scripted-server.js";
import { exportBulk, finishExport } from "./export.js";
import { namedResources } from "./references.js";
import { fetchReferenced } from "./second-pass.js";

async function collect(items: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const item of items) all.push(item);
  return all;
}

describe("the second pass of an export", () => {
  it("fetches attachments that the export does not bring", async () => {
    const { server, clock } = await filledServer();
    const document = (id: string, url: string): void => {
      const body = { resourceType: "DocumentReference", id, content: [{ attachment: { url } }] };
      server.store.put("DocumentReference", id, JSON.stringify(body));
    };
    document("d1", "Binary/b1");
    document("d2", `${server.url}/Binary/b2`);
    document("d3", "https://elsewhere.example/Binary/b3");
    document("d4", "Binary/b1");
    document("d5", "Binary/gone");
    for (const id of ["b1", "b2", "b3"])
      server.store.put("Binary", id, `{"resourceType":"Binary","id":"${id}","data":"AAAA"}`);
    const http = clientOf(server.url, { clock });
    const workDir = await workFolder();
    const batch = await exportBulk({
      http,
      workDir,
      level: { kind: "system" },
      types: ["DocumentReference"],
    });
    const references = await collect(
      namedResources({ files: batch.files, base: http.base, attachments: true, types: [] }),
    );
    expect(references).toEqual(["Binary/b1", "Binary/b2", "Binary/gone"]);
    const result = await fetchReferenced({ http, workDir, references });
    expect(result).toMatchObject({ fetched: 2, missing: 1, refused: 0, left: 0, unusable: 0 });
    const texts = readFileSync(result.files[0]!.path, "utf8").split("\n");
    expect(texts[0]).toBe(server.store.current("Binary", "b1")!.text!.read().toString());
    await finishExport({ http, workDir });
  });

  it("looks for references by type, whoever escapes slashes, pins versions or writes whole addresses", async () => {
    const folder = await workFolder();
    const file = path.join(folder, "lines.ndjson");
    const base = new URL("https://ehr.example/fhir/");
    const lines = [
      '{"a":{"reference":"Practitioner/1"},"b":{"reference" : "Patient/p"},"url":"Binary/b"}',
      '{"a":{"reference":"https:\\/\\/ehr.example\\/fhir\\/Organization\\/o\\/_history\\/2"}}',
      '{"a":{"reference":"https://other.example/fhir/Organization/x"},"b":{"reference":"#Organization/c"}}',
      '{"a":{"reference":"Practitioner/1"},"b":{"reference":"Practitioner?identifier=1"}}',
    ];
    writeFileSync(file, lines.join("\n"));
    const files = [{ path: file, kind: "changes", sha256: "", sizeBytes: 0 }] as const;
    const search = { files, base, attachments: false, types: ["Organization", "Practitioner"] };
    expect(await collect(namedResources(search))).toEqual(["Practitioner/1", "Organization/o"]);
    expect(await collect(namedResources({ ...search, attachments: true, types: [] }))).toEqual(["Binary/b"]);
  });

  it("ends in time, and in the middle of a part when the bytes are used up", async () => {
    const { server, clock } = await filledServer();
    const http = clientOf(server.url, { clock });
    const references = Array.from({ length: 12 }, (_, n) => `Patient/p${n}`);
    const none = await fetchReferenced({ http, workDir: await workFolder(), references, maxMs: 0 });
    expect(none).toMatchObject({ fetched: 0, left: 12, files: [] });
    expect(server.requests.all).toEqual([]);
    const some = await fetchReferenced({ http, workDir: await workFolder(), references, maxBytes: 10 });
    expect(some).toMatchObject({ fetched: 8, left: 4 });
  });

  it("passes over what the server cannot give, but stops when it gives nothing", async () => {
    const { server, clock } = await filledServer();
    const http = clientOf(server.url, { clock, maxAttempts: 1 });
    const references = Array.from({ length: 12 }, (_, n) => `Patient/p${n}`);
    server.faults.add({
      match: { path: "/fhir/Patient/p3" },
      fault: { kind: "status", status: 500 },
    });
    const result = await fetchReferenced({ http, workDir: await workFolder(), references });
    expect(result).toMatchObject({ fetched: 11, failed: 1 });
    server.faults.clear();
    server.faults.add({ match: { pattern: "/Patient/" }, fault: { kind: "status", status: 500 } });
    const call = fetchReferenced({ http, workDir: await workFolder(), references });
    await expect(call).rejects.toMatchObject({ code: "source/unavailable" });
  });

  it("keeps to its bounds, and counts what it leaves and cannot use", async () => {
    const { server, clock } = await filledServer();
    const http = clientOf(server.url, { clock });
    const references = ["Patient/p1", "Patient/p1", "#x", "urn:uuid:1", "Patient/p2", "Patient/p3"];
    const result = await fetchReferenced({
      http,
      workDir: await workFolder(),
      references,
      maxResources: 2,
    });
    expect(result).toMatchObject({ fetched: 2, left: 1, unusable: 2 });
    expect(server.requests.all).toHaveLength(2);
  });

  it("writes resources on one line with every number as it was", async () => {
    const pretty =
      '{\n  "resourceType": "Observation",\n  "id": "o",\n  "valueQuantity": {"value": 1.10}\n}\n';
    const server = await scriptedServer((response) => response.end(pretty));
    const http = clientOf(`${server.origin}/fhir`);
    const result = await fetchReferenced({
      http,
      workDir: await workFolder(),
      references: ["Observation/o"],
    });
    expect(readFileSync(result.files[0]!.path, "utf8")).toBe(
      '{"resourceType":"Observation","id":"o","valueQuantity":{"value":1.10}}\n',
    );
  });

  it("does not take another resource than the one asked for", async () => {
    const server = await scriptedServer(json(200, { resourceType: "Patient", id: "other" }));
    const http = clientOf(`${server.origin}/fhir`);
    const result = await fetchReferenced({ http, workDir: await workFolder(), references: ["Patient/p"] });
    expect(result).toMatchObject({ fetched: 0, refused: 1, files: [] });
  });

  it("goes on where it stopped", async () => {
    const { server, clock } = await filledServer();
    for (let n = 0; n < 450; n++)
      server.store.put(
        "Organization",
        `o${n}`,
        JSON.stringify({ resourceType: "Organization", id: `o${n}` }),
      );
    const http = clientOf(server.url, { clock, maxAttempts: 1 });
    const references = Array.from({ length: 450 }, (_, n) => `Organization/o${n}`);
    const call = { http, workDir: await workFolder(), references };
    server.faults.add({
      match: { pattern: "/fhir/Organization/o2[5-9]\\d" },
      occurrences: { from: 1, to: 10 },
      fault: { kind: "status", status: 503 },
    });
    await expect(fetchReferenced(call)).rejects.toMatchObject({ code: "source/unavailable" });
    server.requests.clear();
    expect(await fetchReferenced({ ...call, references: [] })).toMatchObject({ fetched: 450, left: 0 });
    expect(server.requests.matching({ path: "/fhir/Organization/o10" })).toEqual([]);
    expect(server.requests.all.length).toBe(250);
  });
});
