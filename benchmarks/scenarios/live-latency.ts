import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { sampleLines } from "../live/changes.js";
import { HttpClient, quantile } from "../live/http.js";
import { readAll, sendAtRate } from "../live/load.js";
import { startLiveServer } from "../live/server.js";
import { runSide } from "../measure.js";
import { population } from "../population.js";
import type { BenchContext, Figure, Scenario } from "../scenario.js";

const READERS = 10;
const READ_PAUSE_MS = 500;

function probe(name: string): string {
  const now = new Date().toISOString();
  return JSON.stringify({
    resourceType: "Patient",
    id: "probe",
    meta: { lastUpdated: now },
    name: [{ family: name }],
  });
}

/** Milliseconds from sending a change to the end of the first read that shows it. */
async function probeOnce(client: HttpClient, endpoint: string, place: string, name: string): Promise<number> {
  const started = performance.now();
  const { status } = await client.send(endpoint, probe(name));
  if (status !== 204) throw new Error(`the probe was answered with ${status}`);
  for (;;) {
    const { text, status: read } = await client.send(place);
    if (read !== 200) throw new Error(`the view was answered with ${read}`);
    if (text.includes(name)) return performance.now() - started;
    if (performance.now() - started > 120_000) throw new Error("the probe was not seen within two minutes");
    await sleep(2);
  }
}

async function atRate(
  rate: number,
  lake: string,
  lines: readonly string[],
  { quick, log }: BenchContext,
): Promise<Figure[]> {
  const server = await startLiveServer(lake);
  const client = new HttpClient(1);
  const place = `${server.url}/views/patient_names.csv?select=family&id=probe`;
  const reads: number[] = [];
  const latencies: number[] = [];
  const before = await server.usage();
  const started = performance.now();
  const sending = sendAtRate(server.endpoint, lines, rate);
  const reading = readAll(server.url, {
    readers: READERS - 1,
    places: [
      "/views/laboratory.json?limit=100",
      "/views/encounter.csv?limit=100",
      "/views/patient_demographics.json?limit=100",
    ],
    pauseMs: READ_PAUSE_MS,
    onRead: (ms) => void reads.push(ms),
  });
  const forMs = quick ? 10_000 : 60_000;
  await sleep(5_000);
  for (let n = 0; performance.now() - started < forMs; n++) {
    latencies.push(await probeOnce(client, server.endpoint, place, `family-${rate}-${n}`));
    await sleep(50);
  }
  const seconds = (performance.now() - started) / 1000;
  await reading.stop();
  const sent = await sending.stop();
  const after = await server.usage();
  client.close();
  await server.stop();
  log(
    `${rate}/s: ${sent} sent, ${latencies.length} probes, server ${((after.cpu - before.cpu) / seconds).toFixed(2)} cores, ${Math.round(after.rss / 1e6)} MB`,
  );
  const name = `${rate}/s`;
  return [
    { name: `${name}, sent`, value: sent / seconds, unit: "/s" },
    { name: `${name}, received to visible, p50`, value: quantile(latencies, 0.5), unit: "ms", bar: "< 250" },
    {
      name: `${name}, received to visible, p99`,
      value: quantile(latencies, 0.99),
      unit: "ms",
      bar: "< 1000",
    },
    { name: `${name}, a page of 100 rows, p50`, value: quantile(reads, 0.5), unit: "ms" },
    { name: `${name}, a page of 100 rows, p95`, value: quantile(reads, 0.95), unit: "ms" },
    { name: `${name}, CPU of the server`, value: (after.cpu - before.cpu) / seconds, unit: "cores" },
  ];
}

/** From a notification over HTTP to its rows in a merged read, under load. */
export const liveLatencyScenario: Scenario = {
  name: "live-latency",
  about: "notification received over HTTP to visible in a merged read, 10 readers, all shipped views",
  run: async (context) => {
    const { quick, scratch, log } = context;
    const files = await population(scratch, quick ? 20 : 300);
    const lake = path.join(scratch, "lake");
    const full = await runSide("full-ingest", [lake, "0", ...files]);
    log(`lake of ${String(full.facts["resources"])} resources, ${String(full.facts["viewRows"])} rows`);
    const lines = await sampleLines(files, quick ? 500 : 20_000);
    const figures: Figure[] = [];
    for (const rate of [100, 1000]) figures.push(...(await atRate(rate, lake, lines, context)));
    return figures;
  },
};
