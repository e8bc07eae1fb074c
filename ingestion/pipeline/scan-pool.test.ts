import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadDefinitions } from "#fhir";
import { packageRoot } from "#kernel";
import { type LandingManifest, readLandingFile } from "#landing";
import { landNdjson } from "./land.js";

// Threads start from built code only, so these tests run it in a child process, as users do.
const built = path.join(packageRoot(), "dist", "ingestion", "pipeline", "scan-worker.js");

const SCRIPT = `
  import { landNdjson } from "#ingestion";
  import { loadDefinitions } from "#fhir";
  const options = JSON.parse(process.argv[1]);
  const controller = new AbortController();
  const definitions = loadDefinitions("4.0.1");
  const before = process.memoryUsage.rss();
  let last;
  try {
    const manifest = await landNdjson({
      ...options, acceptedAt: new Date(0), definitions, signal: controller.signal,
      onProgress: (bytes, total) => {
        last = [bytes, total];
        if (options.abort) controller.abort();
      },
    });
    console.log(JSON.stringify({ manifest, last, addedRss: process.resourceUsage().maxRSS * 1024 - before }));
  } catch (error) {
    console.log(JSON.stringify({ code: error.code, kind: error.kind, message: error.message }));
  }
`;

interface Outcome {
  readonly manifest: LandingManifest;
  readonly last: readonly [number, number];
  readonly addedRss: number;
  readonly code?: string;
}

let dir: string;
let inputs: string[];
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), "pool-"));
  const line = (i: number): string =>
    i % 9973 === 0
      ? `{"resourceType":"Patient","broken":${i}`
      : `{"resourceType":"Patient","id":"p${i}","text":{"status":"generated","div":"${"x".repeat(900)}"}}`;
  const big = Array.from({ length: 75_000 }, (_, i) => line(i)).join("\n");
  const small = Array.from(
    { length: 5_000 },
    (_, i) => `{"resourceType":"Observation","id":"o${i}","status":"final"}`,
  );
  inputs = [path.join(dir, "b.ndjson"), path.join(dir, "a.ndjson.gz"), path.join(dir, "c.ndjson")];
  writeFileSync(inputs[0]!, big);
  writeFileSync(inputs[1]!, gzipSync(small.join("\n"), { level: 1 }));
  writeFileSync(inputs[2]!, `${line(0)}\n${line(1)}\n`);
}, 60_000);
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

function options(name: string): {
  inputs: string[];
  source: string;
  policy: "time";
  landingDir: string;
  sequence: number;
} {
  const landingDir = path.join(dir, name);
  mkdirSync(landingDir);
  return { inputs, source: "s", policy: "time", landingDir, sequence: 1 };
}

function inChild(settings: object): Outcome {
  const child = spawnSync(process.execPath, ["--input-type=module", "-e", SCRIPT, JSON.stringify(settings)], {
    cwd: packageRoot(),
    encoding: "utf8",
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  expect(child.stderr).toBe("");
  return JSON.parse(child.stdout) as Outcome;
}

async function digest(landingDir: string, manifest: LandingManifest): Promise<string> {
  const records: string[] = [];
  for (const file of manifest.files) {
    for await (const record of readLandingFile(path.join(landingDir, file.path))) {
      records.push(`${record.order} ${record.key} ${record.id} ${record.raw.toString("latin1")}`);
    }
  }
  return createHash("sha256").update(records.sort().join("\n")).digest("hex");
}

describe.skipIf(!existsSync(built))("scanning in worker threads", () => {
  it("lands exactly what one thread lands, down to order keys and quarantine lines", async () => {
    const threads = options("threads");
    const { manifest, last } = inChild({ ...threads, limits: { workers: 2, targetFileBytes: 1e9 } });
    const single = options("single");
    const expected = await landNdjson({
      ...single,
      limits: { targetFileBytes: 1e9 },
      acceptedAt: new Date(0),
      definitions: loadDefinitions("4.0.1"),
    });
    expect(manifest.files.length).toBeGreaterThan(expected.files.length);
    expect({ ...manifest, files: [] }).toEqual({ ...expected, files: [] });
    expect(manifest.counts).toMatchObject({ lines: 80_002, quarantined: 9, accepted: 79_993 });
    expect(await digest(threads.landingDir, manifest)).toBe(await digest(single.landingDir, expected));
    const quarantine = (at: string): string => readFileSync(path.join(at, "quarantine.ndjson"), "utf8");
    expect(quarantine(threads.landingDir)).toBe(quarantine(single.landingDir));
    expect(last[0]).toBeGreaterThanOrEqual(last[1]);
  }, 60_000);

  it("stops all threads when told to", () => {
    expect(inChild({ ...options("aborted"), abort: true })).toMatchObject({ code: "ingestion/aborted" });
  }, 60_000);

  it("passes on a typed error of one thread", () => {
    const settings = { ...options("gone"), landingDir: path.join(dir, "nowhere") };
    expect(inChild(settings)).toMatchObject({ code: "storage/io", kind: "unavailable" });
  }, 60_000);

  it("stops when too much is refused", () => {
    const settings = { ...options("refused"), limits: { maxQuarantined: 2 } };
    expect(inChild(settings)).toMatchObject({
      code: "ingestion/too-many-quarantined",
      kind: "invalid-input",
    });
  }, 60_000);

  it("stays within 150 MB for bombs, giant lines and big documents", async () => {
    const half = Buffer.alloc(1 << 20, "x");
    const bomb = path.join(dir, "bomb.ndjson.gz");
    await pipeline(
      Readable.from([Buffer.from('{"x":"'), ...Array.from({ length: 300 }, () => half), Buffer.from('"}\n')]),
      createGzip({ level: 1 }),
      createWriteStream(bomb),
    );
    const lines = path.join(dir, "giant.ndjson");
    const giant = (id: string, data: string): string =>
      `{"resourceType":"Binary","id":"${id}","data":"${data}"}\n`;
    writeFileSync(lines, ["a", "b", "c", "d"].map((id) => giant(id, "QUJD".repeat(3_900_000))).join(""));
    const document = path.join(dir, "document.json");
    const entry = `{\n"resource": ${giant("e", "QUJD".repeat(100))} }`;
    writeFileSync(
      document,
      `{\n"resourceType":"Bundle","type":"collection","entry":[${Array(60_000).fill(entry).join(",")}]}`,
    );
    const { manifest, addedRss } = inChild({ ...options("memory"), inputs: [bomb, lines, document] });
    expect(manifest.counts).toMatchObject({
      lines: 6,
      quarantined: 1,
      unpacked: 1,
      entries: 60_000,
      accepted: 60_004,
    });
    expect(addedRss).toBeLessThan(150e6);
  }, 120_000);
});
