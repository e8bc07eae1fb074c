import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { clientOf, filledServer, workFolder } from "../../test/support/export-fixture.js";
import { json, scriptedServer } from "../../test/support/scripted-server.js";
import { attachmentReferences } from "./attachments.js";
import { exportBulk, finishExport } from "./export.js";
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
    const references = await collect(attachmentReferences({ files: batch.files, base: http.base }));
    expect(references).toEqual(["Binary/b1", "Binary/b2", "Binary/gone"]);
    const result = await fetchReferenced({ http, workDir, references });
    expect(result).toMatchObject({ fetched: 2, missing: 1, refused: 0, left: 0, unusable: 0 });
    const texts = readFileSync(result.files[0]!.path, "utf8").split("\n");
    expect(texts[0]).toBe(server.store.current("Binary", "b1")!.text!.read().toString());
    await finishExport({ http, workDir });
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
      match: { path: "/fhir/Organization/o250" },
      occurrences: [1],
      fault: { kind: "status", status: 503 },
    });
    await expect(fetchReferenced(call)).rejects.toMatchObject({ code: "source/unavailable" });
    server.requests.clear();
    expect(await fetchReferenced({ ...call, references: [] })).toMatchObject({ fetched: 450, left: 0 });
    expect(server.requests.matching({ path: "/fhir/Organization/o10" })).toEqual([]);
    expect(server.requests.all.length).toBe(250);
  });
});
