import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hashFile } from "#storage";
import { readLandingFile } from "./landing-reader.js";
import { LandingWriter } from "./landing-writer.js";
import { type LandingManifest, readManifest, writeManifest } from "./manifest.js";
import { decodeRecord, encodeRecord, type LandingRecord, type RecordHeader } from "./record.js";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "landing-"));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

function header(id: string): RecordHeader {
  return { key: "a".repeat(32), kind: "U", id, version: "1", lastUpdated: "", order: "0".repeat(90) };
}

async function records(file: string): Promise<LandingRecord[]> {
  const all: LandingRecord[] = [];
  for await (const record of readLandingFile(path.join(dir, file)))
    all.push({ ...record, raw: Buffer.from(record.raw) });
  return all;
}

describe("landing records", () => {
  it("come back as they were written", () => {
    const record: LandingRecord = { ...header("x"), raw: Buffer.from('{"a":"Jos\u00e9 \u{1f600}"}') };
    const bytes = encodeRecord(record);
    expect(bytes.at(-1)).toBe(0x0a);
    expect(decodeRecord(bytes.subarray(0, -1))).toEqual(record);
  });

  it("are refused with too few fields or an unknown kind", () => {
    expect(() => decodeRecord(Buffer.from("a\x1fU\x1fb"))).toThrow(/too few fields/);
    expect(() => decodeRecord(Buffer.from("a\x1fX\x1fb\x1f\x1f\x1f0\x1f{}"))).toThrow(/neither/);
  });
});

describe("landing files", () => {
  it("are split by size, hashed, and hold every record in order", async () => {
    const writer = new LandingWriter({ landingDir: dir, targetFileBytes: 20_000 });
    const raw = Buffer.from(`{"pad":"${"x".repeat(300)}"}`);
    for (let i = 0; i < 200; i++) writer.append("Patient", header(String(i)), raw, 0, raw.length);
    writer.append("Device", header("d"), raw, 0, raw.length);
    const files = writer.finish();
    const patients = files.filter((file) => file.type === "Patient");
    expect(patients.length).toBeGreaterThan(3);
    expect(files.map((file) => file.rows).reduce((a, b) => a + b)).toBe(201);
    const ids: string[] = [];
    for (const file of files) {
      expect(await hashFile(path.join(dir, file.path))).toEqual({
        sizeBytes: file.sizeBytes,
        sha256: file.sha256,
      });
      if (file.type === "Patient") ids.push(...(await records(file.path)).map((record) => record.id));
    }
    expect(ids).toEqual(Array.from({ length: 200 }, (_, i) => String(i)));
  });

  it("take records longer than every buffer", async () => {
    const writer = new LandingWriter({ landingDir: dir, targetFileBytes: 1e9 });
    const sizes = [10, 900_000, 20, 300_000, 5, 260_000];
    for (const [i, size] of sizes.entries()) {
      const raw = Buffer.alloc(size, "y");
      writer.append("Binary", header(String(i)), raw, 0, size);
    }
    const [file] = writer.finish();
    expect((await records(file!.path)).map((record) => record.raw.length)).toEqual(sizes);
    expect((await hashFile(path.join(dir, file!.path))).sha256).toBe(file!.sha256);
  });

  it("of two writers on one folder never share a name", () => {
    const raw = Buffer.from("{}");
    for (const index of [0, 1]) {
      const writer = new LandingWriter({ landingDir: dir, targetFileBytes: 1, lane: { index, count: 2 } });
      for (let i = 0; i < 3; i++) writer.append("Patient", header(String(i)), raw, 0, 2);
      writer.finish();
    }
    expect(readdirSync(dir).sort()).toEqual([0, 1, 2, 3, 4, 5].map((n) => `Patient.000${n}.landing`));
  });
});

const MANIFEST: LandingManifest = {
  version: 1,
  sequence: 3,
  source: "s",
  policy: "time",
  acceptedAt: "2026-01-02T03:04:05.678Z",
  fhirVersion: "4.0.1",
  files: [],
  observed: { Patient: ["id"] },
  unknownElements: { Patient: { nickname: 2 } },
  counts: { lines: 1, blank: 0, quarantined: 0, accepted: 1, unpacked: 0, entries: 0, skipped: 0 },
  inputs: [{ name: "-", sizeBytes: null }],
  problems: [],
};

describe("landing manifests", () => {
  it("come back as they were written, with nothing else left behind", async () => {
    await writeManifest(dir, MANIFEST);
    expect(await readManifest(dir)).toEqual(MANIFEST);
    expect(readdirSync(dir)).toEqual(["landing.json"]);
  });

  it("say that the landing is incomplete when they are absent", async () => {
    await expect(readManifest(dir)).rejects.toMatchObject({ code: "landing/no-manifest", kind: "not-found" });
  });

  it("are refused when damaged", async () => {
    await writeManifest(dir, MANIFEST);
    const file = path.join(dir, "landing.json");
    writeFileSync(file, readFileSync(file, "utf8").slice(0, -20));
    await expect(readManifest(dir)).rejects.toMatchObject({
      code: "landing/bad-manifest",
      kind: "corrupt-data",
    });
    writeFileSync(file, JSON.stringify({ ...MANIFEST, counts: { lines: -1 } }));
    await expect(readManifest(dir)).rejects.toMatchObject({ code: "landing/bad-manifest" });
  });

  it("of a newer format are refused by version", async () => {
    writeFileSync(path.join(dir, "landing.json"), JSON.stringify({ ...MANIFEST, version: 2 }));
    await expect(readManifest(dir)).rejects.toMatchObject({
      code: "landing/unknown-version",
      kind: "unsupported",
    });
  });
});
