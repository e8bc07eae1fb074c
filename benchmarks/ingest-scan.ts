// How fast NDJSON is checked and landed, and what memory that takes: `npm run bench` builds it, `node dist/benchmarks/ingest-scan.js` runs it.
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { loadDefinitions } from "#fhir";
import { landNdjson } from "#ingestion";
import { packageRoot } from "#kernel";

const TARGET_BYTES = 200e6;
const RUNS = 3;

const shared = process.env["FHIR_LAKE_SHARED"] ?? path.join(packageRoot(), "..", "shared");
const data = path.join(shared, "data", "synthea-small");
const definitions = loadDefinitions("4.0.1");

/** A file of about 200 MB of one resource type, or undefined when the data set is absent. */
function corpus(type: string, scratch: string): string | undefined {
  const plain = path.join(data, `${type}.ndjson`);
  const source = existsSync(plain) ? plain : `${plain}.gz`;
  if (!existsSync(source)) return undefined;
  const bytes = source.endsWith(".gz") ? gunzipSync(readFileSync(source)) : readFileSync(source);
  const file = path.join(scratch, `${type}.ndjson`);
  const fd = openSync(file, "w");
  for (let written = 0; written < TARGET_BYTES; written += bytes.length) writeSync(fd, bytes);
  closeSync(fd);
  return file;
}

interface Figures {
  readonly megabytesPerSecond: number;
  readonly cpuSeconds: number;
  readonly addedRssMegabytes: number;
}

async function measure(inputs: readonly string[], workers: number, scratch: string): Promise<Figures> {
  const landingDir = path.join(scratch, "landing");
  rmSync(landingDir, { recursive: true, force: true });
  mkdirSync(landingDir);
  const rssBefore = process.memoryUsage.rss();
  let rssMost = rssBefore;
  const watch = setInterval(() => {
    rssMost = Math.max(rssMost, process.memoryUsage.rss());
  }, 10);
  const cpuBefore = process.cpuUsage();
  const start = performance.now();
  const manifest = await landNdjson({
    inputs,
    source: "bench",
    policy: "time",
    landingDir,
    sequence: 1,
    acceptedAt: new Date(),
    definitions,
    limits: { workers },
  });
  const seconds = (performance.now() - start) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  clearInterval(watch);
  const inputBytes = manifest.inputs.reduce((sum, input) => sum + (input.sizeBytes ?? 0), 0);
  return {
    megabytesPerSecond: inputBytes / 1e6 / seconds,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    addedRssMegabytes: (rssMost - rssBefore) / 1e6,
  };
}

const scratch = mkdtempSync(path.join(tmpdir(), "fhir-lake-scan-"));
try {
  const files = ["Observation", "Patient"].map((type) => corpus(type, scratch));
  if (files.some((file) => file === undefined)) {
    process.stdout.write(`No data at ${data}; set FHIR_LAKE_SHARED.\n`);
  } else {
    const [observation, patient] = files as [string, string];
    for (const [name, inputs, workers] of [
      ["Observation, 1 thread", [observation], 0],
      ["Patient, 1 thread", [patient], 0],
      ["both, 2 threads", [observation, patient], 2],
    ] as const) {
      const runs: Figures[] = [];
      for (let i = 0; i < RUNS; i++) runs.push(await measure(inputs, workers, scratch));
      const best = runs.reduce((a, b) => (b.megabytesPerSecond > a.megabytesPerSecond ? b : a));
      const rss = Math.max(...runs.map((run) => run.addedRssMegabytes));
      process.stdout.write(
        `${name.padEnd(24)} ${best.megabytesPerSecond.toFixed(0).padStart(5)} MB/s of input, ` +
          `${best.cpuSeconds.toFixed(2)} s CPU, RSS at most +${rss.toFixed(0)} MB\n`,
      );
    }
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
