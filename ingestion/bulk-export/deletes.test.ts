import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { writeDeletes } from "./deletes.js";

const time = "2026-11-21T04:00:00Z";

async function convert(lines: readonly unknown[]): Promise<{ unusable: number; deletes: unknown[] }> {
  const source = path.join(await mkdtemp(path.join(tmpdir(), "fhir-lake-deletes-")), "0-deleted.ndjson");
  await writeFile(
    source,
    lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n"),
  );
  const { file, unusable } = await writeDeletes(source, time);
  const text = await readFile(file.path, "utf8");
  expect(file).toMatchObject({ kind: "changes", sizeBytes: Buffer.byteLength(text) });
  const deletes = text
    .split("\n")
    .filter((line) => line !== "")
    .flatMap((line) => (JSON.parse(line) as { entry: unknown[] }).entry);
  return { unusable, deletes };
}

const bundle = (...entry: unknown[]): unknown => ({ resourceType: "Bundle", type: "transaction", entry });

describe("deletes of an export", () => {
  it("get the export's time unless the server names one", async () => {
    const lastModified = "2026-11-20T10:00:00Z";
    const { unusable, deletes } = await convert([
      bundle(
        { request: { method: "DELETE", url: "Patient/1" } },
        { request: { method: "delete", url: "https://x.example/fhir/Patient/2/_history/3" } },
      ),
      "",
      bundle({
        request: { method: "DELETE", url: "Patient/4" },
        response: { lastModified, etag: 'W/"9"' },
      }),
    ]);
    expect(unusable).toBe(0);
    expect(deletes).toEqual([
      { request: { method: "DELETE", url: "Patient/1" }, response: { lastModified: time } },
      { request: { method: "DELETE", url: "Patient/2" }, response: { lastModified: time } },
      { request: { method: "DELETE", url: "Patient/4" }, response: { lastModified, etag: 'W/"9"' } },
    ]);
  });

  it("that name no single resource, and lines that are none, are counted", async () => {
    const { unusable, deletes } = await convert([
      bundle(
        { request: { method: "PUT", url: "Patient/1" } },
        { request: { method: "DELETE", url: "Patient?name=x" } },
        { request: { method: "DELETE", url: "Patient/5" } },
        {},
      ),
      "{broken",
    ]);
    expect(unusable).toBe(4);
    expect(deletes).toHaveLength(1);
  });
});
