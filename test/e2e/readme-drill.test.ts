import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { CLI, cli } from "../support/cli.js";

const fixtures = path.resolve("test/fixtures/lakes");

/** The shell block under a heading of the README. */
function blockUnder(heading: string): string {
  const readme = readFileSync("README.md", "utf8");
  const section = readme.slice(readme.indexOf(`## ${heading}`));
  return /```sh\n([\s\S]*?)```/.exec(section)![1]!;
}

describe("the README", () => {
  it.each(readdirSync(fixtures))(
    "backs up, restores and upgrades the lake of %s in its five lines",
    async (release) => {
      const block = blockUnder("Backup, restore and upgrade in five lines");
      const lines = block.trim().split("\n");
      expect(lines).toHaveLength(5);
      const scratch = mkdtempSync(path.join(tmpdir(), "fhir-lake-readme-"));
      cpSync(path.join(fixtures, release), path.join(scratch, "mylake"), { recursive: true });
      // `npx fhir-lake` runs the installed package; here it runs this build.
      const bin = path.join(scratch, "bin");
      mkdirSync(bin);
      writeFileSync(path.join(bin, "npx"), `#!/bin/sh\nshift\nexec "${process.execPath}" "${CLI}" "$@"\n`);
      chmodSync(path.join(bin, "npx"), 0o755);
      const env = {
        ...process.env,
        NODE_OPTIONS: "",
        PATH: `${bin}${path.delimiter}${process.env["PATH"] ?? ""}`,
      };
      const out = execFileSync("sh", ["-e"], { input: block, cwd: scratch, env, encoding: "utf8" });
      expect(out).toContain("were copied and read back");
      expect(out).toContain("restored and checked");
      expect(out).toContain("0 damaged");
      expect(out).toContain("0 objects mended");
      const expected = JSON.parse(readFileSync(path.join(fixtures, release, "expected.json"), "utf8")) as {
        head: { views: Record<string, string[]> };
      };
      const query = "SELECT count(*) AS n FROM patient_demographics";
      const { stdout } = await cli(["query", query, "--lake", path.join(scratch, "restored"), "--json"]);
      expect(JSON.parse(stdout)).toEqual([{ n: expected.head.views["patient_demographics"]!.length }]);
    },
    60_000,
  );
});
