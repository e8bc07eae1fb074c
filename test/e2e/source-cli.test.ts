import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cli, startCli } from "../support/cli.js";
import { FhirServerProcess } from "../support/fhir-server-process.js";

let server: FhirServerProcess;
let config: string;
let dir: string;
beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), "fhir-lake-source-cli-"));
  const patients = path.join(dir, "Patient.ndjson");
  writeFileSync(patients, '{"resourceType":"Patient","id":"a"}\n{"resourceType":"Patient","id":"b"}\n');
  server = await FhirServerProcess.start([patients, "--retry-after", "0", "--bearer", "canary-token"]);
  config = path.join(dir, "lake.json");
  const main = {
    url: server.url,
    types: ["Patient"],
    auth: { kind: "bearer", token: { env: "TOKEN" } },
    schedule: { cron: "0 2 * * *", timeZone: "Europe/Berlin" },
  };
  writeFileSync(config, JSON.stringify({ lake: "lake", sources: { main } }));
});
afterAll(() => server.stop());

const run = (args: readonly string[], env: Readonly<Record<string, string>> = { TOKEN: "canary-token" }) =>
  cli([...args, "--config", config], { env });

describe("sources on the command line", { timeout: 180_000 }, () => {
  it("are checked and printed with secrets masked", async () => {
    const shown = await run(["config"]);
    expect(shown.code).toBe(0);
    const effective = JSON.parse(shown.stdout) as { lake: string; sources: { main: { auth: object } } };
    expect(effective.lake).toBe(path.join(dir, "lake"));
    expect(effective.sources.main.auth).toEqual({ kind: "bearer", token: { env: "TOKEN", value: "***" } });
    expect(shown.stdout).not.toContain("canary");
    const schema = JSON.parse((await run(["config", "--schema"])).stdout) as { properties: object };
    expect(Object.keys(schema.properties)).toContain("sources");
    const broken = path.join(dir, "broken.json");
    writeFileSync(broken, JSON.stringify({ source: {} }));
    const refused = await cli(["config", "--config", broken]);
    expect(refused).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("Did you mean 'sources'?") as string,
    });
  });

  it("are tried, loaded, listed, compared, and their runs shown", async () => {
    const missing = await run(["ingest", "fhir", "main"], {});
    expect(missing).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("environment's TOKEN") as string,
    });
    expect((await run(["ingest", "fhir", "mian"])).stderr).toContain("Did you mean 'main'?");

    const tried = await run(["source", "test", "main"]);
    expect(tried).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("The source can be used.") as string,
    });
    const loaded = await run(["ingest", "fhir", "main", "--json"]);
    expect(loaded.code, loaded.stderr).toBe(0);
    const record = JSON.parse(loaded.stdout) as { runId: string };
    expect(record).toMatchObject({ state: "succeeded", kind: "bulk", types: { Patient: { stored: 2 } } });
    expect((await run(["ingest", "bulk", "main"])).code).toBe(0);

    const runs = JSON.parse((await run(["runs", "--json"])).stdout) as { runId: string; state: string }[];
    expect(runs.map(({ state }) => state)).toEqual(["succeeded", "succeeded", "failed"]);
    expect((await run(["runs", record.runId])).stdout).toContain("succeeded");
    expect((await run(["source", "list"])).stdout).toContain("0 2 * * * Europe/Berlin");
    expect((await run(["source", "check", "main"])).code).toBe(0);
    const sql = "SELECT sum(stored) AS n FROM lake_runs WHERE source = 'main'";
    expect((await run(["query", sql, "--json"])).stdout).toContain('"n":2');
    for (const { stdout, stderr } of [tried, loaded]) expect(`${stdout}${stderr}`).not.toContain("canary");
  });

  it("are scheduled until the process is told to stop", async () => {
    const { child, finished } = startCli(["schedule", "--config", config], {
      env: { TOKEN: "canary-token" },
    });
    let told = "";
    await new Promise<void>((resolve) =>
      child.stderr!.on("data", (chunk) => {
        told += String(chunk);
        if (told.includes("waiting for the times of main")) resolve();
      }),
    );
    child.kill("SIGTERM");
    expect((await finished).code).toBe(0);
  });
});
