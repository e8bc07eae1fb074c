import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { cli } from "../support/cli.js";

const scratch = mkdtempSync(path.join(tmpdir(), "fhir-lake-full-"));
const small = path.join(scratch, "disk");

/** A disk of a few megabytes; needs the right to mount. */
function mounted(): boolean {
  mkdirSync(small);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=24m", "tmpfs", small], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const possible = process.platform === "linux" && process.getuid?.() === 0 && mounted();
afterAll(() => {
  if (possible) execFileSync("umount", [small]);
});

/** Names that no compression makes smaller. */
const patients = (from: number, count: number, bytes: number): string =>
  Array.from({ length: count }, (_, i) =>
    JSON.stringify({
      resourceType: "Patient",
      id: `p${from + i}`,
      name: [{ family: randomBytes(bytes).toString("base64") }],
    }),
  ).join("\n");

describe.skipIf(!possible)("a full disk", () => {
  it("is seen before an ingestion or a backup begins, and nothing is written", async () => {
    const lake = path.join(small, "lake-guarded");
    const first = path.join(scratch, "guarded.ndjson");
    writeFileSync(first, patients(0, 20, 8));
    expect((await cli(["ingest", "ndjson", first, "--lake", lake])).code).toBe(0);
    const big = path.join(scratch, "too-big.ndjson");
    writeFileSync(big, patients(100, 30_000, 800));
    const { code, stderr } = await cli(["ingest", "ndjson", big, "--lake", lake, "--json"]);
    expect(JSON.parse(stderr.trim().split("\n").at(-1)!)).toMatchObject({ error: { code: "lake/no-space" } });
    expect(code).toBe(5);
    expect(readdirSync(path.join(lake, "staging"))).toEqual([]);
    const other = path.join(scratch, "roomy");
    expect((await cli(["ingest", "ndjson", big, "--lake", other])).code).toBe(0);
    const backup = path.join(small, "backup");
    const refused = await cli(["backup", backup, "--lake", other]);
    expect(refused.stderr).toContain("disk is full");
    expect(refused.code).toBe(5);
    expect((await cli(["backup", backup, "--list"])).stdout).not.toMatch(/^1 /m);
  }, 60_000);

  it.each([
    ["while landing", 30_000, 800],
    ["while storing", 13_000, 800],
  ])(
    "%s ends with exit code 5 and what to do, and leaves the lake as it was",
    async (when, count, bytes) => {
      const lake = path.join(small, `lake-${count}`);
      const first = path.join(scratch, "first.ndjson");
      writeFileSync(first, patients(0, 20, 8));
      expect((await cli(["ingest", "ndjson", first, "--lake", lake])).code).toBe(0);
      const big = path.join(scratch, `${when}.ndjson`);
      writeFileSync(big, patients(100, count, bytes));
      const unguarded = { env: { FHIR_LAKE_SPACE_CHECK: "off" } };
      const { code, stderr } = await cli(["ingest", "ndjson", big, "--lake", lake], unguarded);
      expect(stderr).toContain("disk is full");
      expect(code).toBe(5);
      expect((await cli(["verify", "--lake", lake])).stdout).toContain(" 0 damaged");
      expect(readdirSync(path.join(lake, "staging"))).toEqual([]);
      const { stdout } = await cli([
        "query",
        "SELECT count(*) AS n FROM patient_demographics",
        "--lake",
        lake,
        "--json",
      ]);
      expect(JSON.parse(stdout)).toEqual([{ n: 20 }]);
    },
    60_000,
  );
});
