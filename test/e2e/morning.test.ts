import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { tableFromIPC } from "apache-arrow";
import { parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { readSheet } from "read-excel-file/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadViews, shippedViewsDirectory } from "#batch";
import { Lake } from "#lake";
import { generatePopulation } from "#synthetic";
import { ingestNdjson } from "../../src/app/ingest.js";
import type { LakeServer } from "../../src/app/serve.js";
import { NOTIFY_SECRET, serveLive } from "../support/serve-live.js";

/** About 140 observations each; the page promises a hundred thousand rows at 720. */
const PATIENTS = Number(process.env["FHIR_LAKE_MORNING_PATIENTS"] ?? 50);

type Row = Readonly<Record<string, string>>;

function truthTable(file: string): Row[] {
  const [header, ...lines] = readFileSync(file, "utf8").trim().split("\n");
  const names = header!.split(",");
  return lines.map((line) =>
    Object.fromEntries(line.split(",").map((value, index) => [names[index]!, value])),
  );
}

/** The shell blocks of the page in three parts: pages of rows, then files to dataset, then a year later. */
function scripts(url: string): readonly string[] {
  const page = readFileSync("docs/morning.md", "utf8").replaceAll(
    "localhost:8080",
    url.slice("http://".length),
  );
  const blocks = (part: string): string =>
    [...part.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1]).join("\n");
  return page.split(/^## Files for other programs$|^## Next year$/m).map(blocks);
}

describe("an analyst's morning, by the manual", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "fhir-lake-morning-"));
  const people = path.join(folder, "people");
  const desk = path.join(folder, "desk");
  let lake: Lake;
  let server: LakeServer;

  const load = async (from: string): Promise<void> => {
    const names = readdirSync(from).filter((name) => name.endsWith(".ndjson"));
    await ingestNdjson(lake, {
      inputs: names.map((name) => path.join(from, name)),
      source: "main",
      policy: "time",
      views: await loadViews([shippedViewsDirectory()], lake.definitions),
    });
  };

  beforeAll(async () => {
    await generatePopulation({ patients: PATIENTS, seed: 6, outDir: people, updatesBatches: 3 });
    lake = await Lake.open({ location: path.join(folder, "lake") });
    await load(people);
    server = await serveLive(lake, await loadViews([shippedViewsDirectory()], lake.definitions));
    mkdirSync(desk);
  }, 600_000);

  afterAll(async () => {
    await server.close();
    await lake.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const diabetics = (table: readonly Row[]): string[] =>
    table
      .filter((row) => row["has_t2d"] === "true")
      .map((row) => row["patient_id"]!)
      .sort();

  /** Sends changes from the moment that the first page has been read until `stop`; answers how many were taken. */
  const disturb = async (stop: () => boolean): Promise<number> => {
    while (!existsSync(path.join(desk, "headers.txt"))) await new Promise((wake) => setTimeout(wake, 5));
    const loading = load(path.join(people, "batch-001"));
    let sent = 0;
    for (const line of readFileSync(path.join(people, "batch-002", "Observation.ndjson"), "utf8").split(
      "\n",
    )) {
      if (line === "" || stop()) break;
      const { status } = await fetch(`${server.url}/notify/main/${NOTIFY_SECRET}`, {
        method: "POST",
        body: line,
      });
      expect(status).toBe(204);
      sent++;
    }
    await loading;
    return sent;
  };

  const run = async (script: string): Promise<string> =>
    await new Promise((resolve, reject) => {
      const shell = spawn("sh", ["-e"], { cwd: desk, stdio: ["pipe", "pipe", "inherit"] });
      let out = "";
      shell.stdout.on("data", (text) => (out += String(text)));
      shell.on("close", (code) =>
        code === 0 ? resolve(out) : reject(new Error(`the shell ended with ${code}`)),
      );
      // The parts of the page go on with the variables of those before.
      shell.stdin.end(`${script}\nset > variables\n`);
    });

  const file = (name: string): Buffer => readFileSync(path.join(desk, name));

  it("ends with a dataset that stays the same, and a reason for every change since", async () => {
    const [rows = "", cohort = "", later = ""] = scripts(server.url);
    let over = false;
    const disturbed = disturb(() => over);
    const said = await run(rows).finally(() => {
      over = true;
    });
    expect(await disturbed).toBeGreaterThan(0);
    expect(said).toContain("none missed, none twice");
    expect(file("pages.ndjson").toString().split("\n").length).toBeGreaterThan(PATIENTS * 100);

    await run(cohort);
    const objects = await parquetReadObjects({
      file: new Uint8Array(file("laboratory.parquet")).buffer,
      compressors,
    });
    const arrow = tableFromIPC(file("laboratory.arrow"));
    const sheet = await readSheet(file("laboratory.xlsx"), "laboratory", { trim: false });
    expect(objects.length).toBeGreaterThan(PATIENTS / 5);
    expect([arrow.numRows, sheet.length - 1]).toEqual([objects.length, objects.length]);
    const ids = (rows: readonly unknown[]): unknown[] => [...rows].sort();
    const column = sheet[0]!.indexOf("id");
    expect(ids(arrow.toArray().map((row) => (row as { id: string }).id))).toEqual(
      ids(objects.map((row): unknown => row["id"])),
    );
    expect(ids(sheet.slice(1).map((row) => row[column]))).toEqual(
      ids(objects.map((row): unknown => row["id"])),
    );

    const after = new Map(truthTable(path.join(people, "truth.csv")).map((row) => [row["patient_id"]!, row]));
    for (const row of truthTable(path.join(people, "batch-001", "truth.csv")))
      after.set(row["patient_id"]!, row);
    const members = file("members.csv").toString().trim().split("\n").slice(1);
    expect(members.map((line) => line.split(",")[0]!.split("/").at(-1)!).sort()).toEqual(
      diabetics([...after.values()]),
    );

    for (const batch of ["batch-002", "batch-003"]) {
      await load(path.join(people, batch));
      for (const row of truthTable(path.join(people, batch, "truth.csv"))) after.set(row["patient_id"]!, row);
    }
    expect(await run(`. ./variables\n${later}`)).toContain("the same bytes");
    const { entered, left } = JSON.parse(file("diff.json").toString()) as Record<
      string,
      { person: string }[]
    >;
    const now = diabetics([...after.values()]);
    const then = members.map((line) => line.split(",")[0]!.split("/").at(-1)!);
    expect(entered).toHaveLength(now.filter((id) => !then.includes(id)).length);
    expect(left).toHaveLength(then.filter((id) => !now.includes(id)).length);
  }, 600_000);
});
