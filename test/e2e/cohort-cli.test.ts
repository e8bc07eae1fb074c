import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cli, type Finished } from "../support/cli.js";

const folder = mkdtempSync(path.join(os.tmpdir(), "fhir-lake-cohort-cli-"));
const lake = path.join(folder, "lake");

function file(name: string, content: unknown): string {
  const place = path.join(folder, name);
  writeFileSync(place, typeof content === "string" ? content : JSON.stringify(content));
  return place;
}

const patient = (id: string, gender: string): unknown => ({
  resourceType: "Patient",
  id,
  gender,
  birthDate: "1970-01-01",
  meta: { lastUpdated: "2024-01-01T00:00:00Z" },
});

function condition(id: string, person: string, code: string, status = "confirmed"): unknown {
  return {
    resourceType: "Condition",
    id,
    meta: { lastUpdated: "2024-02-01T00:00:00Z", versionId: "1" },
    subject: { reference: `Patient/${person}` },
    code: { coding: [{ system: "http://snomed.info/sct", code }] },
    verificationStatus: {
      coding: [{ system: "http://terminology.hl7.org/CodeSystem/condition-ver-status", code: status }],
    },
    onsetDateTime: "2023-05-01",
  };
}

const lines = (...resources: readonly unknown[]): string =>
  `${resources.map((one) => JSON.stringify(one)).join("\n")}\n`;
const ask = (...args: readonly string[]): Promise<Finished> => cli(["cohort", ...args, "--lake", lake]);

const asthma = {
  title: "Asthma",
  valueSets: { asthma: { file: "asthma.csv" } },
  entry: { view: "condition", in: "asthma", where: { verification_status: "confirmed" } },
  include: [{ sex: ["female"] }],
};

beforeAll(async () => {
  file("asthma.csv", "system,code\nhttp://snomed.info/sct,195967001\n");
  const first = file(
    "first.ndjson",
    lines(
      patient("a", "female"),
      patient("b", "female"),
      patient("c", "male"),
      condition("ca", "a", "195967001"),
      condition("cb", "b", "38341003"),
      condition("cc", "c", "195967001"),
    ),
  );
  expect((await cli(["ingest", "ndjson", first, "--lake", lake, "--source", "main"])).code).toBe(0);
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("cohorts on the command line", { timeout: 120_000 }, () => {
  it("are checked and said in English before they are stored", async () => {
    const { code, stdout } = await ask("check", file("asthma.json", asthma));
    expect([code, stdout]).toEqual([0, expect.stringContaining("a code of asthma")]);
    const wrong = await ask("check", file("wrong.json", { ...asthma, include: [{ sexx: ["female"] }] }));
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain("include[0]");
    expect(wrong.stderr).toContain("Did you mean 'sex'?");
    expect((await ask("list", "--json")).stdout.trim()).toBe("[]");
  });

  it("keep versions, with their value sets inside, and nothing twice", async () => {
    expect((await ask("put", "asthma", file("asthma.json", asthma))).stdout).toContain("version 1");
    expect((await ask("put", "asthma", path.join(folder, "asthma.json"))).stdout).toContain("version 1");
    file("asthma2.json", { ...asthma, title: "Asthma of anybody", include: [] });
    expect((await ask("put", "asthma", path.join(folder, "asthma2.json"))).stdout).toContain("version 2");
    const shown = JSON.parse((await ask("show", "asthma", "--version", "1", "--json")).stdout) as {
      definition: { valueSets: { asthma: { csv: string } } };
    };
    expect(shown.definition.valueSets.asthma.csv).toContain("195967001");
    expect((await ask("list")).stdout).toMatch(/asthma\s+2\s.*Asthma of anybody/);
  });

  it("tell what each rule takes away, and who is left", async () => {
    const told = await ask("attrition", "asthma", "--version", "1", "--json");
    const { count, steps } = JSON.parse(told.stdout) as { count: number; steps: { remaining: number }[] };
    expect([count, steps.map(({ remaining }) => remaining)]).toEqual([1, [3, 2, 1]]);
    const { stdout } = await ask("members", "asthma", "--version", "1");
    expect(stdout.trim().split("\n")).toHaveLength(2);
    expect(stdout).toContain("Patient/a");
    expect((await ask("members", "asthma")).stdout.trim().split("\n")).toHaveLength(3);
  });

  it("name who entered and left, with the versions of the resources behind it", async () => {
    const before = JSON.parse((await ask("attrition", "asthma", "--json")).stdout) as { snapshot: number };
    const next = file(
      "next.ndjson",
      lines(
        {
          ...(condition("cb", "b", "195967001") as object),
          meta: { lastUpdated: "2024-03-01T00:00:00Z", versionId: "2" },
        },
        {
          ...(condition("ca", "a", "195967001", "refuted") as object),
          meta: { lastUpdated: "2024-03-01T00:00:00Z", versionId: "2" },
        },
      ),
    );
    expect((await cli(["ingest", "ndjson", next, "--lake", lake, "--source", "main"])).code).toBe(0);
    const { code, stdout, stderr } = await ask("diff", "asthma", "--from", String(before.snapshot));
    expect(code).toBe(0);
    expect(stdout).toMatch(/entered\s+\S*Patient\/b\s.*Condition\/cb\s+1\s+2/);
    expect(stdout).toMatch(/left\s+\S*Patient\/a\s.*Condition\/ca\s+1\s+2/);
    expect(stderr).toContain("1 entered and 1 left");
  });

  it("say what is wrong with a command", async () => {
    const unknown = await ask("members", "asthmaa");
    expect(unknown.code).not.toBe(0);
    expect(unknown.stderr).toContain("Did you mean 'asthma'?");
    expect((await ask("diff", "asthma")).stderr).toContain("--from");
    expect((await ask("members", "asthma", "--snapshot", "99")).stderr).toContain("99");
    expect((await ask("check", path.join(folder, "none.json"))).stderr).toContain("cannot be read");
  });
});
