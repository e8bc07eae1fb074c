import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadDefinitions } from "#fhir";
import { packageRoot } from "#kernel";
import { readLandingFile } from "#landing";
import { landNdjson } from "./land.js";

const shared = path.join(process.env["FHIR_LAKE_SHARED"] ?? path.join(packageRoot(), "..", "shared"), "data");

/** What each set must come to: lines, and refused ones by reason. */
const SETS: Readonly<Record<string, { lines: number; refused: Readonly<Record<string, number>> }>> = {
  "synthea-small": { lines: 38_473, refused: {} },
  "synthea-bulk-10": { lines: 7_164, refused: { "not-a-resource": 4 } },
  "au-core": { lines: 1_532, refused: {} },
  // 28 have no id, one of them also a wrong kind; the wrong kinds are DSTU2 and STU3 shapes under an R4 name.
  "edge-cases": { lines: 580, refused: { "missing-id": 27, "wrong-kind": 11 } },
};

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), "real-"));
});
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

/** All lines of a set, sorted. */
function sourceLines(set: string): string[] {
  const lines: string[] = [];
  for (const name of readdirSync(path.join(shared, set))) {
    if (!/\.ndjson(\.gz)?$/.test(name)) continue;
    const bytes = readFileSync(path.join(shared, set, name));
    const text = (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
    lines.push(...text.split("\n").filter((line) => line !== ""));
  }
  return lines.sort();
}

describe.skipIf(!existsSync(shared))("the real data set", () => {
  it.each(Object.keys(SETS))("%s lands with every line accounted for and unchanged", async (set) => {
    const landingDir = path.join(dir, set);
    mkdirSync(landingDir);
    const manifest = await landNdjson({
      inputs: [path.join(shared, set)],
      source: set,
      policy: "time",
      landingDir,
      sequence: 1,
      acceptedAt: new Date(),
      definitions: loadDefinitions("4.0.1"),
    });
    const landed: string[] = [];
    for (const file of manifest.files) {
      for await (const record of readLandingFile(path.join(landingDir, file.path))) {
        landed.push(record.raw.toString("utf8"));
      }
    }
    const refused: Record<string, number> = {};
    const quarantine = path.join(landingDir, "quarantine.ndjson");
    const lines = existsSync(quarantine) ? readFileSync(quarantine, "utf8").trimEnd().split("\n") : [];
    for (const line of lines) {
      const { reason, text, cut } = JSON.parse(line) as { reason: string; text: string; cut: boolean };
      refused[reason] = (refused[reason] ?? 0) + 1;
      expect(cut).toBe(false);
      landed.push(text);
    }
    expect(refused).toEqual(SETS[set]!.refused);
    expect(manifest.counts).toMatchObject({
      lines: SETS[set]!.lines,
      blank: 0,
      quarantined: lines.length,
      accepted: SETS[set]!.lines - lines.length,
    });
    const source = sourceLines(set);
    expect(landed.length).toBe(source.length);
    landed.sort();
    // Compared one by one: a difference of two big arrays would take minutes to print.
    for (const [i, line] of landed.entries()) if (line !== source[i]) expect(line).toBe(source[i]);
  });
});
