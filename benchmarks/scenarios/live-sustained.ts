import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { changedNow, sampleLines } from "../live/changes.js";
import { HttpClient } from "../live/http.js";
import { type LiveServer, startLiveServer } from "../live/server.js";
import { runSide, spread } from "../measure.js";
import { population } from "../population.js";
import type { BenchContext, Figure, Scenario } from "../scenario.js";

const CONNECTIONS = 32;

/** Sends as fast as the server acknowledges, for a time; answers how many. */
async function sendFlatOut(endpoint: string, lines: readonly string[], forMs: number): Promise<number> {
  const client = new HttpClient(CONNECTIONS);
  const started = performance.now();
  let sent = 0;
  const sender = async (): Promise<void> => {
    while (performance.now() - started < forMs) {
      const { status } = await client.send(endpoint, changedNow(lines[sent++ % lines.length]!));
      // The receiver's own limit of requests per second: wait as it asks.
      if (status === 429) await sleep(1000);
      else if (status !== 204) throw new Error(`a notification was answered with ${status}`);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, sender));
  client.close();
  return sent;
}

/** Waits until everything acknowledged can be read. */
async function caughtUp({ url }: LiveServer): Promise<void> {
  const client = new HttpClient(1);
  for (;;) {
    const { headers } = await client.send(`${url}/freshness`);
    if (Number(headers["x-lake-lag-seconds"]) === 0) break;
    await sleep(20);
  }
  client.close();
}

async function overHttp(
  lake: string,
  lines: readonly string[],
  { quick, log }: BenchContext,
): Promise<Figure[]> {
  const server = await startLiveServer(lake);
  const before = await server.usage();
  const started = performance.now();
  const sent = await sendFlatOut(server.endpoint, lines, quick ? 3_000 : 30_000);
  const acknowledged = (performance.now() - started) / 1000;
  await caughtUp(server);
  const visible = (performance.now() - started) / 1000;
  const after = await server.usage();
  await server.stop();
  const cpu = after.cpu - before.cpu;
  log(
    `${sent} over HTTP in ${acknowledged.toFixed(1)} s, all visible after ${visible.toFixed(1)} s, CPU ${cpu.toFixed(1)} s`,
  );
  return [
    { name: "over HTTP, acknowledged", value: sent / acknowledged, unit: "/s", bar: ">= 1500" },
    { name: "over HTTP, until the last one can be read", value: sent / visible, unit: "/s", bar: ">= 1500" },
    { name: "over HTTP, per second of the server's CPU", value: sent / cpu, unit: "/s" },
  ];
}

/** What a process that starts needs until it can answer, by where it reads the changes that no snapshot covers. */
async function rebuild(files: readonly string[], { quick, scratch, log }: BenchContext): Promise<Figure[]> {
  const changes = quick ? 3_000 : 100_000;
  const lake = path.join(scratch, "rebuilt");
  await runSide("full-ingest", [lake, "0", ...files]);
  const { facts } = await runSide("rebuild", [lake, String(changes), String(changes / 5), ...files]);
  return Object.entries(facts).flatMap(([from, cost]) => {
    const { wall, cpu, liveResources } = cost as Record<"wall" | "cpu" | "liveResources", number>;
    log(`${changes} from ${from} in ${wall.toFixed(1)} s, CPU ${cpu.toFixed(1)} s, ${liveResources} live`);
    const label = `start over ${changes} changes to ${liveResources} resources, from ${from}`;
    return [
      { name: label, value: wall, unit: "s" },
      { name: `${label}, CPU`, value: cpu, unit: "s" },
    ];
  });
}

/** How many changes a second become rows of all views, from the journal and over HTTP. */
export const liveSustainedScenario: Scenario = {
  name: "live-sustained",
  about: "changes a second into the rows of all shipped views, from the journal and over HTTP",
  run: async (context) => {
    const { quick, scratch, log } = context;
    const files = await population(scratch, quick ? 20 : 300);
    const changes = quick ? 3_000 : 50_000;
    const rates: number[] = [];
    const perCpu: number[] = [];
    for (let repeat = 0; repeat < (quick ? 1 : 3); repeat++) {
      const lake = path.join(scratch, `replay-${repeat}`);
      await runSide("full-ingest", [lake, "0", ...files]);
      const cost = await runSide("replay-journal", [lake, String(changes), ...files]);
      log(`${changes} from the journal in ${cost.wall.toFixed(1)} s, CPU ${cost.cpu.toFixed(1)} s`);
      rates.push(changes / cost.wall);
      perCpu.push(changes / cost.cpu);
    }
    const rate = spread(rates);
    const cpu = spread(perCpu);
    const figure = (name: string, all: typeof rate): Figure => ({
      name,
      value: all.median,
      min: all.min,
      max: all.max,
      unit: "/s",
    });
    const lake = path.join(scratch, "served");
    await runSide("full-ingest", [lake, "0", ...files]);
    const lines = await sampleLines(files, quick ? 500 : 20_000);
    return [
      { ...figure("from the journal", rate), bar: ">= 5000" },
      figure("from the journal, per second of CPU", cpu),
      ...(await overHttp(lake, lines, context)),
      ...(await rebuild(files, context)),
    ];
  },
};
