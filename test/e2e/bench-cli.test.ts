import { readdir } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { questions as all } from "../../src/app/bench/questions/index.js";
import type { LakeServer } from "../../src/app/serve.js";
import { cli } from "../support/cli.js";
import { FhirServerProcess } from "../support/fhir-server-process.js";
import { type ServedPopulation, servedPopulation } from "../support/served-population.js";

interface Report {
  readonly questions: readonly {
    readonly question: string;
    readonly equal?: boolean;
    readonly fhirRows: number;
    readonly lakeRows: number;
    readonly fhir: { readonly requests: number; readonly seconds: readonly number[] };
  }[];
}

let population: ServedPopulation;
let lake: LakeServer;
let fhir: FhirServerProcess;
beforeAll(async () => {
  population = await servedPopulation(30);
  // Small cohorts are counted here.
  lake = await population.serve({ smallCell: 0 });
  const folder = path.join(population.folder, "population");
  const files = (await readdir(folder)).filter((name) => name.endsWith(".ndjson"));
  fhir = await FhirServerProcess.start(files.map((name) => path.join(folder, name)));
}, 180_000);
afterAll(async () => {
  await fhir?.stop();
  await population?.close();
});

const bench = (...more: string[]) =>
  cli(["bench", "--fhir", fhir.url, "--lake", lake.url, "--per-second", "1000", ...more]);

describe("a FHIR server and a lake compared on the command line", { timeout: 180_000 }, () => {
  it("give equal answers to all eight questions, each with what it cost", async () => {
    const { code, stdout, stderr } = await bench("--repeats", "1", "--store-cohorts", "--json");
    expect(code, stderr).toBe(0);
    const { questions } = JSON.parse(stdout) as Report;
    expect(questions.map(({ question }) => question)).toEqual(all.map(({ name }) => name));
    for (const { question, equal, fhirRows, lakeRows, fhir: cost } of questions) {
      expect({ question, equal }).toEqual({ question, equal: true });
      expect(lakeRows, question).toBe(fhirRows);
      expect(fhirRows, question).toBeGreaterThan(0);
      expect(cost.requests, question).toBeGreaterThan(0);
      expect(cost.seconds, question).toHaveLength(1);
    }
    // Nothing stays behind.
    const kept = (await (await fetch(`${lake.url}/cohorts`)).json()) as { readonly cohorts: unknown[] };
    expect(kept.cohorts).toEqual([]);
  });

  it("are told apart where the server has what the lake has not", async () => {
    await fhir.put("Patient", "only-there", { gender: "female", birthDate: "1950-01-01" });
    const { code, stdout } = await bench("--repeats", "1", "--questions", "demographics-table");
    expect(code).toBe(8);
    expect(stdout).toContain("no (1 only FHIR, 0 only lake)");
    await fhir.delete("Patient", "only-there");
  });

  it("end with what to do where the server asks for less for long, after one request", async () => {
    let asked = 0;
    const busy = createServer((_, response) => {
      asked++;
      response.writeHead(429, { "Retry-After": "3600" }).end();
    });
    await new Promise<void>((resolve) => busy.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(busy.address() as AddressInfo).port}`;
    const { code, stderr } = await cli(["bench", "--fhir", url, "--lake", lake.url, "--parallel", "1"]);
    busy.close();
    expect(code).toBe(5);
    expect(stderr).toContain("a wait of 3600 s: it asks for less. Lower --per-second");
    expect(asked).toBe(1);
  });

  it("stop at the bound of bytes, telling what was compared until then", async () => {
    const chosen = ["--questions", "read-by-id,cohort-extraction", "--repeats", "1"];
    const { code, stdout, stderr } = await bench(...chosen, "--max-bytes", "40kB");
    expect(code).toBe(5);
    expect(stderr).toContain("allow more with --max-bytes");
    expect(stdout).toContain("read-by-id");
    expect(stdout).not.toContain("cohort-extraction");
  });

  it("stop at the bound of requests, and name a question that there is not", async () => {
    const bounded = await bench("--most-requests", "1", "--questions", "cohort-extraction");
    expect(bounded.code).not.toBe(0);
    expect(`${bounded.stdout}${bounded.stderr}`).toContain("more than 1 requests");
    const unknown = await bench("--questions", "demographics");
    expect(unknown).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("'demographics' is no question") as string,
    });
  });
});
