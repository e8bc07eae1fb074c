import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const RUNNER = path.resolve(import.meta.dirname, "../../dist/benchmarks/run.js");

/**
 * Scenarios that take no more than about twelve seconds of processor time when they are quick. Left out: `views` (thirty) and `peers`
 * (seventeen), whose views are in ../shared, too; `live-latency`, which sends for ten seconds at each of two rates; `live-sustained` and
 * `live-soak` (about thirty each).
 */
const SHORT = [
  "direct-fhir",
  "materialize",
  "ingest",
  "scale",
  "bulk-load",
  "nights",
  "memory",
  "serving",
  "merged-read",
];

interface Report {
  readonly quick: boolean;
  readonly failures: Readonly<Record<string, string>>;
  readonly results: Readonly<
    Record<
      string,
      {
        readonly machine: Record<string, unknown>;
        readonly figures: readonly { readonly name: string; readonly value: number }[];
      }
    >
  >;
}

function bench(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)(process.execPath, [RUNNER, ...args], {
    env: { ...process.env, NODE_OPTIONS: "", ...environment },
    maxBuffer: 2 ** 26,
  });
}

describe("the runner of the benchmarks", () => {
  it("runs scenarios small, compares the answers of both sides, and reports figures with the machine", async () => {
    const { stdout } = await bench([...SHORT, "--quick", "--json"]);
    const report = JSON.parse(stdout) as Report;
    expect(report.failures).toEqual({});
    expect(Object.keys(report.results)).toEqual(SHORT);
    for (const { machine, figures } of Object.values(report.results)) {
      expect(machine).toMatchObject({ node: process.version, duckdb: expect.any(String) as string });
      expect(figures.length).toBeGreaterThan(2);
      for (const { name, value } of figures) expect(Number.isFinite(value), name).toBe(true);
    }
    const names = report.results["direct-fhir"]!.figures.map(({ name }) => name);
    expect(names.filter((name) => name.endsWith("wall, FHIR / lake"))).toHaveLength(8);
    const down = report.results["direct-fhir"]!.figures.find(({ name }) => name.endsWith("answered, lake"));
    expect(down?.value).toBe(8);
  }, 600_000);

  it("goes on after a scenario whose inputs are absent, names it in the end, and ends with 1", async () => {
    const run = bench(["views", "ingest", "--quick", "--json"], { FHIR_LAKE_SHARED: "/nowhere" });
    const failed = (await run.catch((error: unknown) => error)) as Record<string, unknown>;
    expect(failed).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("1 of 2 scenarios failed: views.") as string,
    });
    const report = JSON.parse(String(failed["stdout"])) as Report;
    expect(Object.keys(report.results)).toEqual(["ingest"]);
    expect(report.failures["views"]).toContain("not there");
  }, 60_000);

  it("lists the scenarios, and names the nearest to an unknown one or to an unknown option", async () => {
    const { stdout } = await bench(["--list"]);
    expect(stdout).toContain("direct-fhir");
    await expect(bench(["direct-fihr"])).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining("Did you mean 'direct-fhir'?") as string,
    });
    await expect(bench(["scale", "--reapeats=2"])).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining("Did you mean 'repeats'?") as string,
    });
    await expect(bench(["ingest", "--patients=5"])).rejects.toMatchObject({ code: 2 });
  });
});
