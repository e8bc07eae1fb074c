import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { isLakeError } from "#kernel";
import {
  GENERATOR_VERSION,
  generatePopulation,
  type PopulationOptions,
  type PopulationProgress,
} from "./generate.js";
import { patientRecord } from "./record.js";

const folders: string[] = [];

function newFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "synthetic-"));
  folders.push(folder);
  return folder;
}

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function generate(options: Partial<PopulationOptions> = {}) {
  const outDir = newFolder();
  const totals = await generatePopulation({ patients: 12, seed: 5, outDir, density: 0.5, ...options });
  return { outDir, totals };
}

function read(outDir: string, name: string): string {
  return readFileSync(path.join(outDir, name), "utf8");
}

async function failure(options: Partial<PopulationOptions>): Promise<unknown> {
  try {
    await generate(options);
  } catch (error) {
    return error;
  }
  return undefined;
}

describe("generatePopulation", () => {
  it("writes one file per resource type, the truth and the totals", async () => {
    const { outDir, totals } = await generate();
    const names = readdirSync(outDir);
    expect(names).toEqual(
      expect.arrayContaining(["Patient.ndjson", "Observation.ndjson", "truth.csv", "truth.json"]),
    );
    expect(JSON.parse(read(outDir, "truth.json"))).toEqual(totals);
    expect(totals.files.map((file) => file.path)).toEqual(
      names.filter((name) => name !== "truth.json").sort(),
    );
    for (const file of totals.files) {
      const text = read(outDir, file.path);
      expect(text.endsWith("\n")).toBe(true);
      expect(text.split("\n").length - 1).toBe(file.lines);
      expect(Buffer.byteLength(text)).toBe(file.bytes);
      expect(createHash("sha256").update(text).digest("hex")).toBe(file.sha256);
      const type = file.path.replace(".ndjson", "");
      if (type in totals.resources) expect(file.lines).toBe(totals.resources[type]);
    }
    expect(read(outDir, "truth.csv").trimEnd().split("\n")).toHaveLength(13);
  });

  it("writes the same bytes again", async () => {
    const [first, second] = [await generate({ updatesBatches: 2 }), await generate({ updatesBatches: 2 })];
    expect(second.totals).toEqual(first.totals);
  });

  it("writes the bytes of this version of the generator on every machine", async () => {
    const { totals } = await generate({ patients: 6, seed: 2, updatesBatches: 3 });
    const files = [...totals.files, ...totals.batches.flatMap((batch) => batch.files)];
    const digest = createHash("sha256").update(
      files.map(({ path: name, sha256 }) => `${sha256}  ${name}\n`).join(""),
    );
    // Another value means other bytes for the same seed: raise GENERATOR_VERSION along with it.
    expect([GENERATOR_VERSION, digest.digest("hex")]).toEqual([
      1,
      "82a63603abd06c5183efbf3dbd235e8418e68fae3876d431b521a2c1db9e9e91",
    ]);
  });

  it("begins a larger population with the lines of a smaller one", async () => {
    const small = await generate({ patients: 5 });
    const large = await generate({ patients: 9 });
    for (const { path: name } of small.totals.files) {
      expect(read(large.outDir, name).startsWith(read(small.outDir, name)), name).toBe(true);
    }
  });

  it("writes what patientRecord gives", async () => {
    const { outDir } = await generate({ patients: 3 });
    const expected = [0, 1, 2].flatMap((index) => patientRecord(5, index, { density: 0.5 }).resources);
    for (const type of new Set(expected.map((resource) => resource.type))) {
      const lines = expected.filter((resource) => resource.type === type).map(({ text }) => `${text}\n`);
      expect(read(outDir, `${type}.ndjson`)).toBe(lines.join(""));
    }
  });

  it("tells its progress after every patient", async () => {
    const seen: PopulationProgress[] = [];
    await generate({ patients: 4, onProgress: (progress) => seen.push(progress) });
    expect(seen.map(({ patients }) => patients)).toEqual([1, 2, 3, 4]);
    expect(seen.every(({ totalPatients }) => totalPatients === 4)).toBe(true);
  });

  it("stops when aborted and leaves no totals behind", async () => {
    const outDir = newFolder();
    const control = new AbortController();
    const running = generatePopulation({
      patients: 50,
      seed: 1,
      outDir,
      signal: control.signal,
      onProgress: ({ patients }) => patients === 2 && control.abort(new Error("stopped by the user")),
    });
    await expect(running).rejects.toThrow("stopped by the user");
    expect(readdirSync(outDir)).not.toContain("truth.json");
  });

  it("refuses a folder that holds files, and with overwrite replaces only its own", async () => {
    const outDir = newFolder();
    writeFileSync(path.join(outDir, "notes.txt"), "mine");
    writeFileSync(path.join(outDir, "Basic.ndjson"), "stale");
    const options = { patients: 1, seed: 1, outDir };
    const error = await generatePopulation(options).catch((cause: unknown) => cause);
    expect(isLakeError(error, "synthetic/output-not-empty")).toBe(true);
    await generatePopulation({ ...options, overwrite: true });
    expect(read(outDir, "notes.txt")).toBe("mine");
    expect(readdirSync(outDir)).not.toContain("Basic.ndjson");
  });

  it("refuses options that make no population, saying which would", async () => {
    for (const options of [
      { patients: 0 },
      { patients: 1.5 },
      { seed: -1 },
      { density: 9 },
      { updatesBatches: 1000 },
    ]) {
      const error = await failure(options);
      expect(isLakeError(error, "synthetic/bad-option"), JSON.stringify(options)).toBe(true);
      expect(String(error)).toMatch(/from .* to /);
    }
  });

  it("says which file could not be written", async () => {
    const outDir = newFolder();
    writeFileSync(path.join(outDir, "file"), "");
    const error = await generatePopulation({
      patients: 1,
      seed: 1,
      outDir: path.join(outDir, "file", "below"),
    }).catch((cause: unknown) => cause);
    expect(isLakeError(error, "synthetic/write-failed")).toBe(true);
  });
});
