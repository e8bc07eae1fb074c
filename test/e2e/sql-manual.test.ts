import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadViews, shippedViewsDirectory } from "#batch";
import { Lake } from "#lake";
import { loadSavedQueries, shippedQueriesDirectory } from "#query";
import { generatePopulation } from "#synthetic";
import { ingestNdjson } from "../../src/app/ingest.js";
import { type LakeServer, serveLake } from "../../src/app/serve.js";
import { cli } from "../support/cli.js";
import { parquetRows } from "../support/result-bytes.js";

const ROOT = path.resolve(import.meta.dirname, "../..");
const READ = new Set(["patient_demographics", "condition", "observation", "encounter", "laboratory"]);
const folder = mkdtempSync(path.join(tmpdir(), "fhir-lake-sql-manual-"));
const location = path.join(folder, "lake");
let lake: Lake;
let server: LakeServer;

beforeAll(async () => {
  const people = path.join(folder, "people");
  await generatePopulation({ patients: 30, seed: 6, outDir: people });
  lake = await Lake.open({ location });
  const views = await loadViews([shippedViewsDirectory()], lake.definitions);
  await ingestNdjson(lake, {
    inputs: ["Patient", "Condition", "Observation", "Encounter"].map((type) =>
      path.join(people, `${type}.ndjson`),
    ),
    source: "main",
    policy: "time",
    views: new Map([...views].filter(([name]) => READ.has(name))),
  });
  server = await serveLake(lake, {
    host: "127.0.0.1",
    port: 0,
    compaction: false,
    savedQueries: await loadSavedQueries([shippedQueriesDirectory()]),
  });
}, 300_000);

afterAll(async () => {
  await server.close();
  await lake.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The shell blocks of the page, for this server and the program that was built. */
function blocks(): string[] {
  const page = readFileSync(path.join(ROOT, "docs/sql.md"), "utf8")
    .replaceAll("http://localhost:8080", server.url)
    .replaceAll("npx fhir-lake", `'${process.execPath}' '${ROOT}/dist/src/app/cli/main.js'`)
    .replaceAll("./queries", `${ROOT}/queries`);
  return [...page.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1]!);
}

describe("the manual of SQL", () => {
  it("has lines that run as they stand", async () => {
    const script = ["set -eo pipefail", 'curl() { command curl --fail-with-body "$@"; }', ...blocks()].join(
      "\n",
    );
    const { stdout } = await promisify(execFile)("bash", ["-c", script], {
      cwd: folder,
      env: { ...process.env, FHIR_LAKE_HOME: location },
    });
    expect(stdout).toContain('"gender":"female"');
    expect(stdout).toContain("patient_key,code,onset_date");
    expect(stdout).toContain("decade,gender,patients");
    expect(stdout).toMatch(/3 checked, 0 with problems/);
    const rows = await parquetRows(readFileSync(path.join(folder, "observation.parquet")));
    expect(rows.length).toBeGreaterThan(1_000);
  }, 300_000);

  it("tells on the command line what is wrong with a saved query, or with its values", async () => {
    const unknown = await cli(["queries", "run", "patients_with_conditio", "--lake", location]);
    expect(unknown).toMatchObject({ code: 3 });
    expect(unknown.stderr).toContain("Did you mean 'patients_with_condition'?");
    const value = await cli([
      "queries",
      "run",
      "laboratory_by_month",
      "--param",
      "least=x",
      "--lake",
      location,
    ]);
    expect(value).toMatchObject({ code: 2 });
    expect(value.stderr).toContain("'least' is a whole number");
    const listed = await cli(["queries", "list"]);
    expect(listed.stdout).toContain("codes text[], since date = 1900-01-01");
  }, 120_000);
});
