import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { tableFromIPC } from "apache-arrow";
import { parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Finished, startCli } from "../support/cli.js";

/** Starts the server on a free port and waits for its greeting. */
async function start(
  lake: string,
  ...more: readonly string[]
): Promise<{ url: string; stop: () => Promise<Finished>; greeting: string }> {
  const { child, finished } = startCli(["start", "--patients", "15", "--port", "0", "--lake", lake, ...more]);
  let text = "";
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout!.on("data", (chunk) => {
      text += String(chunk);
      const match = /serves on (http:\S+)/.exec(text);
      if (match !== null && text.includes("Ctrl+C")) resolve(match[1]!);
    });
    void finished.then(({ stderr }) => reject(new Error(stderr)));
  });
  return {
    url,
    greeting: text,
    stop: () => {
      child.kill("SIGTERM");
      return finished;
    },
  };
}

describe("npm start on an empty lake", () => {
  const lake = path.join(mkdtempSync(path.join(tmpdir(), "fhir-lake-start-")), "lake");
  let server: Awaited<ReturnType<typeof start>>;
  beforeAll(async () => {
    server = await start(lake);
  }, 120_000);
  afterAll(async () => {
    await server.stop();
  });

  const get = (route: string): Promise<Response> => fetch(`${server.url}${route}`);

  it("prints three calls to copy", () => {
    expect(server.greeting).toContain(`curl -s ${server.url}/views/patient_demographics.csv`);
    expect(server.greeting).toContain("pd.read_parquet(");
    expect(server.greeting).toContain(`${server.url}/views`);
  });

  it("serves every view with the snapshot and the as-of of the answer", async () => {
    const views = (await (await get("/views")).json()) as unknown;
    const names = JSON.stringify(views).match(/"name":"[a-z_]+"/g) ?? [];
    expect(names.length).toBeGreaterThanOrEqual(18);
    const answer = await get("/views/observation.ndjson?limit=2");
    expect(answer.status).toBe(200);
    expect(answer.headers.get("x-lake-snapshot")).toMatch(/^\d+$/);
    expect(Date.parse(answer.headers.get("x-lake-as-of") ?? "")).not.toBeNaN();
  });

  it("gives independent Parquet and Arrow readers the same rows and types as JSON", async () => {
    const json = (await (await get("/views/patient_demographics.json")).json()) as Record<string, unknown>[];
    expect(json).toHaveLength(15);
    const parquet = await (await get("/views/patient_demographics.parquet")).arrayBuffer();
    const rows = await parquetReadObjects({ file: parquet, compressors });
    const arrow = tableFromIPC(
      new Uint8Array(await (await get("/views/patient_demographics.arrow")).arrayBuffer()),
    );
    expect(arrow.numRows).toBe(15);
    const byId = (list: { id: string }[]): string[] => list.map((row) => row.id).sort();
    expect(byId(rows as { id: string }[])).toEqual(byId(json as { id: string }[]));
    expect(byId(arrow.toArray().map((row: { id: string }) => ({ id: row.id })))).toEqual(
      byId(json as { id: string }[]),
    );
    expect(rows[0]!["birth_date_start"]).toBeInstanceOf(Date);
    const start = arrow.schema.fields.find((field) => field.name === "birth_date_start");
    expect(String(start?.type)).toMatch(/^Date/);
    for (const row of rows) {
      const same = json.find((other) => other["id"] === row["id"])!;
      const day = row["birth_date_start"] as Date | null;
      expect(day?.toISOString().slice(0, 10) ?? null).toBe(same["birth_date_start"]);
      expect(row["gender"] ?? null).toBe(same["gender"]);
    }
  });

  it("answers wrong names with the nearest right one", async () => {
    expect((await get("/views/patient_demografics")).status).toBe(404);
    expect(await (await get("/views/patient_demografics")).text()).toContain("patient_demographics");
    expect((await get("/views/patient_demographics.json?gendr=male")).status).toBe(400);
    expect((await get("/views/patient_demographics.pdf")).status).toBe(406);
    expect((await get("/healthz")).status).toBe(200);
    expect((await get("/readyz")).status).toBe(200);
  });

  it("lets changes flow in with --live, and the line to copy shows rows and epoch move", async () => {
    await server.stop();
    server = await start(lake, "--live");
    const address = /curl -si "([^"]+)" \| grep -iE "x-lake-epoch\|x-total-count"/.exec(server.greeting)?.[1];
    const seen = async (): Promise<number[]> => {
      const { headers } = await fetch(address!);
      return ["x-lake-epoch", "x-total-count"].map((name) => Number(headers.get(name) ?? Number.NaN));
    };
    const [epoch, rows] = await seen();
    await expect.poll(async () => (await seen())[0], { timeout: 60_000 }).toBeGreaterThan(epoch!);
    expect((await seen())[1]).toBeGreaterThanOrEqual(rows!);
  }, 90_000);

  it("ends with a sentence when its port is taken, with live changes too", async () => {
    const { finished } = startCli(["start", "--live", "--port", new URL(server.url).port, "--lake", lake]);
    const { code, stderr } = await finished;
    expect(code).toBeGreaterThan(0);
    expect(stderr).toContain("is taken");
  }, 60_000);

  it("stops cleanly and reuses the lake the next time", async () => {
    const first = (await get("/views/patient_demographics.csv")).headers.get("x-lake-snapshot");
    expect((await server.stop()).code).toBe(0);
    server = await start(lake);
    expect((await get("/views/patient_demographics.csv")).headers.get("x-lake-snapshot")).toBe(first);
  });
});
