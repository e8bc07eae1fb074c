import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { BenchContext, Figure, Scenario } from "../scenario.js";

interface Served {
  readonly url: string;
  readonly process: ChildProcess;
}

async function serve(folder: string, rows: number): Promise<Served> {
  const script = fileURLToPath(new URL("../sides/serve-view.js", import.meta.url));
  const child = spawn(process.execPath, [script, folder, String(rows)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  const { port } = JSON.parse(line) as { port: number };
  return { url: `http://127.0.0.1:${port}/views/observations`, process: child };
}

/** Memory of the server now, in bytes; 0 where the system does not tell. */
function residentBytes({ process: child }: Served): number {
  try {
    const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Milliseconds of each of `total` requests that `clients` make, each one after the other. */
async function latencies(
  clients: number,
  total: number,
  request: (index: number) => Promise<void>,
): Promise<number[]> {
  const times: number[] = [];
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < total) {
      const index = next++;
      const before = performance.now();
      await request(index);
      times.push(performance.now() - before);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return times.sort((a, b) => a - b);
}

async function read(
  address: string,
  { status = 200, ...request }: RequestInit & { status?: number } = {},
): Promise<Response> {
  const response = await fetch(address, request);
  await response.arrayBuffer();
  if (response.status !== status) throw new Error(`${address} answered ${response.status}`);
  return response;
}

/** Asks for a page until the server reads the view from its own copy, as it does with views that people work on. */
async function warmUp(served: Served): Promise<void> {
  const metrics = new URL("/metrics", served.url).href;
  for (let i = 0; i < 300; i++) {
    await read(`${served.url}?limit=1`);
    const text = await (await fetch(metrics)).text();
    if (/^fhir_lake_hot_copies 1$/m.test(text)) return;
    await sleep(200);
  }
  throw new Error("the server made no copy of the view within a minute");
}

interface Question {
  readonly name: string;
  /** A question to the view, to stand behind its address; or a statement over it. */
  readonly ask: (index: number) => string;
  readonly inSql?: true;
  readonly bar: string;
}

const questions: readonly Question[] = [
  { name: "page of 100 by key", ask: () => "?limit=100", bar: "<= 100" },
  {
    name: "page of 100 from the middle",
    ask: (i) => `?patient_key=gt.Patient/${(i * 7919) % 1000}&limit=100`,
    bar: "<= 100",
  },
  {
    name: "page of 100 of one patient",
    ask: (i) => `?patient_key=Patient/${(i * 7919) % 1000}&limit=100`,
    bar: "<= 100",
  },
  {
    name: "100 rows in any order",
    ask: (i) => `?order=value_number.desc&flag=is.${i % 2 === 0}&limit=100`,
    bar: "<= 300",
  },
  {
    name: "300 groups with mean, in SQL",
    ask: (i) =>
      `SELECT code, count(*) AS n, avg(value_number) AS mean FROM observations WHERE flag = ${i % 2 === 0} GROUP BY code ORDER BY code`,
    inSql: true,
    bar: "<= 300",
  },
  {
    name: "count",
    ask: (i) => `?code=code-${i % 300}&count=exact&limit=1`,
    bar: "<= 300",
  },
];

async function askSql({ url }: Served, sql: string): Promise<void> {
  const headers = { "Content-Type": "application/json" };
  await read(new URL("/sql", url).href, { method: "POST", headers, body: JSON.stringify({ sql }) });
}

async function pages(served: Served, { quick, log }: BenchContext): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const { name, ask: text, inSql, bar } of questions) {
    for (const clients of [1, 10, 50]) {
      const ask = async (i: number): Promise<void> => {
        if (inSql === true) await askSql(served, text(i));
        else await read(served.url + text(i));
      };
      // A program that has just begun compiles itself while it answers.
      await latencies(clients, quick ? clients : clients + 60, ask);
      const times = await latencies(clients, quick ? clients * 2 : Math.max(200, clients * 8), ask);
      const p95 = times[Math.ceil(times.length * 0.95) - 1]!;
      log(`${name}, ${clients} clients: p50 ${Math.round(times[times.length >> 1]!)} ms`);
      figures.push({
        name: `${name}, p95 at ${clients} clients`,
        value: p95,
        unit: "ms",
        min: times[0]!,
        max: times.at(-1)!,
        basis: `p95 of ${times.length} requests`,
        ...(clients === 50 ? {} : { bar }),
      });
    }
  }
  const tag = (await read(`${served.url}?limit=100`)).headers.get("ETag") ?? "";
  const times = await latencies(1, quick ? 5 : 200, async () => {
    await read(`${served.url}?limit=100`, { headers: { "If-None-Match": tag }, status: 304 });
  });
  const p95 = times[Math.ceil(times.length * 0.95) - 1]!;
  const basis = `p95 of ${times.length} requests`;
  return [...figures, { name: "304, p95", value: p95, unit: "ms", basis, bar: "<= 5" }];
}

async function formats(served: Served, rows: number): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const format of ["json", "ndjson", "csv", "tsv", "parquet", "arrow", "arrows", "xlsx", "md"]) {
    const before = residentBytes(served);
    let peak = before;
    const watch = setInterval(() => {
      peak = Math.max(peak, residentBytes(served));
    }, 20);
    const start = performance.now();
    const response = await fetch(`${served.url}.${format}`);
    let size = 0;
    for await (const part of response.body ?? []) size += (part as Uint8Array).byteLength;
    const seconds = (performance.now() - start) / 1000;
    clearInterval(watch);
    if (response.status !== 200 || size === 0) throw new Error(`${format} answered ${response.status}`);
    figures.push({ name: `${format}, rows a second`, value: rows / seconds, unit: "" });
    figures.push({
      name: `${format}, growth of memory`,
      value: (peak - before) / 1e6,
      unit: "MB",
      bar: "<= 300",
    });
  }
  return figures;
}

/** One view over HTTP, once the server has a copy of it: how soon pages come, how fast whole answers leave, and how much memory they take. */
export const servingScenario: Scenario = {
  name: "serving",
  about:
    "a view of a million rows that is read often, over HTTP: pages, groups in SQL and counts at 1, 10 and 50 clients, whole answers in every format",
  run: async (context) => {
    const rows = context.quick ? 20_000 : 1_000_000;
    const served = await serve(context.scratch, rows);
    try {
      await warmUp(served);
      return [...(await pages(served, context)), ...(await formats(served, rows))];
    } finally {
      served.process.kill("SIGTERM");
      await once(served.process, "exit");
    }
  },
};
