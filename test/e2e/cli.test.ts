import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import { cli } from "../support/cli.js";

const scratch = mkdtempSync(path.join(tmpdir(), "fhir-lake-cli-"));
const patient = (id: string, extra = ""): string =>
  `{"resourceType":"Patient","id":"${id}","gender":"female"${extra}}`;

interface IngestReport {
  readonly snapshot: number | null;
  readonly counts: Record<string, number>;
  readonly problems: { readonly code: string }[];
  readonly quarantine: string | null;
}

async function ingest(
  name: string,
  content: string | Buffer,
  extra: readonly string[] = [],
): Promise<{ code: number | null; report: IngestReport; stderr: string; lake: string }> {
  const lake = path.join(scratch, `lake-${name}`);
  const file = path.join(scratch, name);
  writeFileSync(file, content);
  const { code, stdout, stderr } = await cli(["ingest", "ndjson", file, "--lake", lake, "--json", ...extra]);
  return {
    code,
    report: stdout === "" ? (undefined as never) : (JSON.parse(stdout) as IngestReport),
    stderr,
    lake,
  };
}

describe("the command line", () => {
  it("names the nearest command and option, and says how to get help", async () => {
    const command = await cli(["verfy"]);
    expect(command).toMatchObject({ code: 2 });
    expect(command.stderr).toContain("Did you mean 'verify'?");
    const option = await cli(["vacuum", "--kep", "3"]);
    expect(option).toMatchObject({ code: 2 });
    expect(option.stderr).toContain("Did you mean '--keep'?");
    expect((await cli(["ingest"])).stderr).toContain("ingest ndjson");
    expect((await cli(["--help"])).stdout).toContain("generate");
    expect((await cli(["serve", "--help"])).stdout).toContain("--port");
    const group = await cli(["cohort", "--help"]);
    expect([group.code, group.stdout]).toEqual([
      0,
      expect.stringMatching(/cohort list .*\n(.*\n)*.*cohort diff/),
    ]);
    expect(group.stdout).not.toContain("vacuum");
    const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    expect((await cli(["--version"])).stdout).toBe(`${version}\n`);
  });

  it("says what to do when there is no lake", async () => {
    const { code, stderr } = await cli(["snapshots", "--lake", path.join(scratch, "nothing")]);
    expect(code).toBe(3);
    expect(stderr).toContain("ingest something first");
  });

  it("gives errors as JSON with --json", async () => {
    const { code, stderr } = await cli(["views", "list", "--lake", path.join(scratch, "nothing"), "--json"]);
    expect(code).toBe(3);
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: "lake/empty", kind: "not-found" } });
  });

  it("does not serve to other machines without being told to", async () => {
    const { code, stderr } = await cli([
      "serve",
      "--host",
      "0.0.0.0",
      "--lake",
      path.join(scratch, "nothing"),
    ]);
    expect(code).toBe(2);
    expect(stderr).toContain("--allow-unauthenticated");
  });

  it("refuses nonsense values by name", async () => {
    expect((await cli(["doctor", "--memory-limit", "lots"])).code).not.toBe(1);
    expect((await cli(["verify", "--memory-limit", "lots"])).stderr).toContain("--memory-limit takes a size");
    expect((await cli(["generate", "--out", path.join(scratch, "g"), "--patients", "-3"])).code).toBe(2);
    expect((await cli(["generate"])).stderr).toContain("--out is needed");
  });
});

describe("bad input", () => {
  it.each([
    ["half-a-line.ndjson", `${patient("a")}\n{"resourceType":"Patient","id":"b","gen`],
    [
      "deep.ndjson",
      `${patient("a")}\n{"resourceType":"Patient","id":"b","x":${"[".repeat(40_000)}${"]".repeat(40_000)}}\n`,
    ],
    ["nan.ndjson", `${patient("a")}\n{"resourceType":"Patient","id":"b","x":NaN}\n`],
    ["infinite.ndjson", `${patient("a")}\n{"resourceType":"Patient","id":"b","x":1e400}\n`],
    [
      "utf8.ndjson",
      Buffer.concat([
        Buffer.from(`${patient("a")}\n{"resourceType":"Patient","id":"b","x":"`),
        Buffer.of(0xff, 0xfe),
        Buffer.from('"}\n'),
      ]),
    ],
    ["wrong-type.ndjson", `${patient("a")}\n{"resourceType":"Pateint","id":"b"}\n`],
    ["no-id.ndjson", `${patient("a")}\n{"resourceType":"Patient","gender":"male"}\n`],
    ["huge.ndjson", `${patient("a")}\n{"resourceType":"Patient","id":"b","x":"${"y".repeat(20 << 20)}"}\n`],
  ])(
    "%s: the bad line is quarantined with its place, the good one is stored, exit code 8",
    async (name, content) => {
      const { code, report, stderr, lake } = await ingest(name, content);
      expect(code).toBe(8);
      expect(report.counts).toMatchObject({ lines: 2, stored: 1, quarantined: 1, blank: 0 });
      expect(stderr).toContain("quarantine");
      const [record] = readFileSync(path.join(lake, report.quarantine!), "utf8").trim().split("\n");
      expect(JSON.parse(record!)).toMatchObject({ offset: Buffer.byteLength(`${patient("a")}\n`) });
      expect((await cli(["verify", "--lake", lake])).code).toBe(0);
    },
  );

  it("a truncated gzip file: what could be read is stored, the cut is reported", async () => {
    const lines = Array.from({ length: 20_000 }, (_, i) => patient(`p${i}`, `,"active":${i % 2 === 0}`)).join(
      "\n",
    );
    const whole = gzipSync(lines);
    const { code, report } = await ingest("cut.ndjson.gz", whole.subarray(0, whole.length - 2000));
    expect(code).toBe(8);
    expect(report.problems).toHaveLength(1);
    expect(report.counts["stored"]).toBeGreaterThan(0);
    expect(report.counts["stored"]).toBeLessThan(20_000);
  });

  it("an empty file makes no snapshot and is no failure", async () => {
    const { code, report } = await ingest("empty.ndjson", "");
    expect(code).toBe(0);
    expect(report.snapshot).toBeNull();
  });

  it("a resource over the line limit is stored once the limit is raised", async () => {
    const { code, report } = await ingest(
      "big.ndjson",
      `{"resourceType":"Patient","id":"b","x":"${"y".repeat(20 << 20)}"}\n`,
      ["--max-line", "32MiB"],
    );
    expect(code).toBe(0);
    expect(report.counts).toMatchObject({ stored: 1, quarantined: 0 });
  });

  it("a path that does not exist or holds nothing is named", async () => {
    const missing = path.join(scratch, "no-such-folder");
    const { code, stderr } = await cli(["ingest", "ndjson", missing, "--lake", path.join(scratch, "l")]);
    expect(code).not.toBe(0);
    expect(stderr).toContain("no-such-folder");
    const emptyFolder = path.join(scratch, "empty-folder");
    mkdirSync(emptyFolder);
    expect(
      (await cli(["ingest", "ndjson", emptyFolder, "--lake", path.join(scratch, "l")])).stderr,
    ).toContain("empty-folder");
  });

  it("stdin is read with -", async () => {
    const lake = path.join(scratch, "lake-stdin");
    const { code, stdout } = await cli(["ingest", "ndjson", "-", "--lake", lake, "--json"], {
      stdin: `${patient("a")}\n\n${patient("b")}\n`,
    });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ counts: { lines: 3, stored: 2, blank: 1 } });
  });
});

describe("a lake on the command line", () => {
  const lake = path.join(scratch, "lake-main");
  beforeAll(async () => {
    const file = path.join(scratch, "main.ndjson");
    writeFileSync(file, [patient("a"), patient("b", ',"birthDate":"1970"')].join("\n"));
    expect((await cli(["ingest", "ndjson", file, "--lake", lake])).code).toBe(0);
  });

  it("answers SQL over views and nothing else", async () => {
    const good = await cli([
      "query",
      "SELECT id, birth_date, birth_date_end FROM patient_demographics ORDER BY id",
      "--lake",
      lake,
      "--json",
    ]);
    expect(good.code).toBe(0);
    expect(JSON.parse(good.stdout)).toEqual([
      { id: "a", birth_date: null, birth_date_end: null },
      { id: "b", birth_date: "1970", birth_date_end: "1970-12-31" },
    ]);
    for (const sql of [
      "SELECT * FROM read_text('/etc/passwd')",
      "COPY (SELECT 1) TO '/tmp/x'",
      "SELECT 1; SELECT 2",
      "CREATE TABLE t AS SELECT 1",
      "SELECT * FROM '/etc/passwd'",
    ]) {
      const bad = await cli(["query", sql, "--lake", lake]);
      expect(bad.code).not.toBe(0);
      expect(bad.stderr).not.toContain("/etc/passwd:");
    }
    const unknown = await cli(["query", "SELECT * FROM patient_demografics", "--lake", lake]);
    expect(unknown.code).toBe(3);
    expect(unknown.stderr).toContain("patient_demographics");
  });

  it("runs one view over files without a lake", async () => {
    const out = path.join(scratch, "one.csv");
    const { code } = await cli([
      "view",
      "run",
      "viewdefinitions/patient/patient_demographics.json",
      "--from",
      path.join(scratch, "main.ndjson"),
      "--format",
      "csv",
      "--out",
      out,
    ]);
    expect(code).toBe(0);
    const lines = readFileSync(out, "utf8").trim().split(/\r?\n/);
    expect(lines).toHaveLength(3);
    expect(lines[0]).toContain("patient_key");
  });

  it("checks ViewDefinitions and points at the mistake", async () => {
    const file = path.join(scratch, "bad-view.json");
    writeFileSync(
      file,
      JSON.stringify({
        resourceType: "ViewDefinition",
        name: "x",
        resource: "Patient",
        status: "draft",
        select: [{ column: [{ name: "a", path: "name.frist()" }] }],
      }),
    );
    const { code, stdout, stderr } = await cli(["views", "check", file]);
    expect(code).not.toBe(0);
    expect(stdout + stderr).toContain("first");
  });

  it("verifies, compacts and vacuums", async () => {
    expect((await cli(["verify", "--lake", lake])).stdout).toContain("0 damaged");
    expect((await cli(["compact", "--full", "--lake", lake])).code).toBe(0);
    expect((await cli(["vacuum", "--lake", lake, "--keep", "1", "--grace", "0s"])).code).toBe(0);
    expect((await cli(["snapshots", "--lake", lake, "--json"])).code).toBe(0);
    expect((await cli(["doctor", "--lake", lake])).code).toBe(0);
  });
});
