import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cli } from "../support/cli.js";

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "views-cli-test-"));
});

afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(name: string, view: unknown): string {
  const file = path.join(folder, name);
  writeFileSync(file, typeof view === "string" ? view : JSON.stringify(view));
  return file;
}

function patient(expression: string, extra: Record<string, unknown> = {}): unknown {
  return { resource: "Patient", ...extra, select: [{ column: [{ name: "a", path: expression }] }] };
}

describe("views check", () => {
  it("names the JSON path and shows the place in the expression", async () => {
    const { code, stdout } = await cli(["views", "check", fileOf("a.json", patient("name.fiirst()"))]);
    expect(code).toBe(2);
    expect(stdout).toContain(
      "error: select[0].column[0].path: There is no function 'fiirst'. Did you mean 'first'?",
    );
    expect(stdout).toContain("    name.fiirst()\n         ^^^^^^\n");
    expect(stdout).toContain("1 checked, 1 problems");
  });

  it("gives code, path, expression and span as JSON", async () => {
    const file = fileOf("b.json", patient("nmae.family"));
    const { code, stdout } = await cli(["views", "check", file, "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject([
      {
        file,
        severity: "warning",
        code: "fhirpath/unknown-element",
        path: "select[0].column[0].path",
        expression: "nmae.family",
        span: { start: 0, end: 4 },
      },
    ]);
    expect((await cli(["views", "check", file, "--strict"])).code).toBe(2);
  });

  it("checks both profiles at once", async () => {
    const file = fileOf("c.json", patient("name.given", { status: "active" }));
    const { code, stdout } = await cli([
      "views",
      "check",
      file,
      "--profile",
      "shareable",
      "--profile",
      "tabular",
    ]);
    expect(code).toBe(2);
    expect(stdout).toContain("shareable: url: A shareable view needs a url.");
    expect(stdout).toContain("tabular: select[0].column[0].type:");
  });

  it("says where a file is no JSON", async () => {
    const { code, stdout } = await cli([
      "views",
      "check",
      fileOf("d.json", '{"resource":"Patient",\n "select" []}'),
    ]);
    expect(code).toBe(2);
    expect(stdout).toContain("not valid JSON at line 2, column 11");
  });
});

describe("view run over a lake", () => {
  const view = () => fileOf("run.json", patient("gender"));

  async function twoStates(): Promise<{ readonly lake: string; readonly first: string }> {
    const lake = path.join(folder, "lake");
    const states: string[] = [];
    for (const gender of ["female", "male"]) {
      const texts = ["p1", "p2"].map((id) => JSON.stringify({ resourceType: "Patient", id, gender }));
      const file = fileOf(`${gender}.ndjson`, `${texts.join("\n")}\n`);
      const { stdout } = await cli(["ingest", "ndjson", file, "--lake", lake, "--json"]);
      states.push(String((JSON.parse(stdout) as { snapshot: number }).snapshot));
    }
    return { lake, first: states[0]! };
  }

  it("gives the rows of any snapshot, of a view that the lake does not keep", async () => {
    const { lake, first } = await twoStates();
    const now = await cli(["view", "run", view(), "--lake", lake]);
    expect(now).toMatchObject({ code: 0, stdout: "a\nmale\nmale\n" });
    const then = await cli(["view", "run", view(), "--lake", lake, "--snapshot", first]);
    expect(then).toMatchObject({ code: 0, stdout: "a\nfemale\nfemale\n" });
    expect(then.stderr).toContain(`2 rows from snapshot ${first} as of`);
    const none = fileOf("none.json", { ...(patient("status") as object), resource: "Encounter" });
    expect(await cli(["view", "run", none, "--lake", lake])).toMatchObject({ code: 0, stdout: "a\n" });
    const missing = await cli(["view", "run", view(), "--lake", lake, "--snapshot", "99"]);
    expect(missing).toMatchObject({ code: 3, stdout: "" });
  }, 120_000);

  it("says which options do not go together", async () => {
    const file = fileOf("some.ndjson", "");
    for (const options of [[], ["--from", file, "--snapshot", "1"], ["--snapshot", "1", "--source", "a"]]) {
      const { code, stderr } = await cli(["view", "run", view(), ...options]);
      expect(code).toBe(2);
      expect(stderr).toContain("--from");
    }
  });
});

describe("view explain", () => {
  it("shows the plan and the SQL of a file or of a shipped view", async () => {
    const file = fileOf("e.json", patient("name.family.first()"));
    const { code, stdout } = await cli(["view", "explain", file]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^project Patient\n {2}\| a: text := .*\n\nSELECT "_lake_key" AS "_lake_key"/s);
    const shipped = await cli(["view", "explain", "encounter", "--json"]);
    expect(JSON.parse(shipped.stdout)).toMatchObject({ name: "encounter", resource: "Encounter" });
  });

  it("names the nearest view", async () => {
    const { code, stderr } = await cli(["view", "explain", "encunter"]);
    expect(code).toBe(3);
    expect(stderr).toContain("Did you mean 'encounter'?");
  });
});
