import { type ChildProcess, spawn } from "node:child_process";
import { createReadStream, existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { generatePopulation } from "#synthetic";
import { type Cost, runSide } from "../measure.js";
import type { Figure, Scenario } from "../scenario.js";

const SERVER = fileURLToPath(new URL("../../test/support/fhir-server/main.js", import.meta.url));
const AT_ONCE = 16;

/** The test server as a process of its own; its resources stay on disk. */
function startServer(
  files: readonly string[],
): Promise<{ readonly url: string; readonly child: ChildProcess }> {
  const options = ["--on-disk", "--rows-per-file", "20000", "--polls", "0", "--retry-after", "0"];
  const child = spawn(process.execPath, [SERVER, ...files, ...options], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`the FHIR server ended with ${code}`)));
    child.stdout.once("data", (line) => {
      const { url } = JSON.parse(String(line)) as { url: string };
      resolve({ url, child });
    });
  });
}

interface Change {
  readonly method: "PUT" | "DELETE";
  readonly place: string;
  readonly body?: string;
}

/** The updates and deletes of a generated night. */
async function* changes(folder: string): AsyncIterable<Change> {
  for (const name of readdirSync(folder).filter((file) => /^[A-Z].*\.ndjson$/.test(file))) {
    for await (const line of createInterface({ input: createReadStream(path.join(folder, name)) })) {
      const { resourceType, id } = JSON.parse(line) as { resourceType: string; id: string };
      yield { method: "PUT", place: `${resourceType}/${id}`, body: line };
    }
  }
  const deleted = path.join(folder, "deleted.ndjson");
  if (!existsSync(deleted)) return;
  for await (const line of createInterface({ input: createReadStream(deleted) })) {
    const { entry = [] } = JSON.parse(line) as { entry?: { request: { url: string } }[] };
    for (const { request } of entry) yield { method: "DELETE", place: request.url };
  }
}

/** Makes the server change as the night says; answers how many changes there were. */
async function applyNight(url: string, folder: string): Promise<number> {
  const waiting = changes(folder)[Symbol.asyncIterator]();
  let count = 0;
  const worker = async (): Promise<void> => {
    for (;;) {
      const next = await waiting.next();
      if (next.done === true) return;
      const { method, place, body } = next.value;
      const headers = { "Content-Type": "application/fhir+json" };
      const answer = await fetch(`${url}/${place}`, {
        method,
        headers,
        ...(body === undefined ? {} : { body }),
      });
      if (answer.status >= 400) throw new Error(`${method} ended with ${answer.status}`);
      await answer.body?.cancel();
      count++;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return count;
}

function split(name: string, cost: Cost): Figure[] {
  const durations = cost.facts["durations"] as Readonly<Record<string, number>>;
  const labels = {
    fetch: "download",
    check: "check and land",
    commit: "commit",
    views: "views",
    compare: "compare",
  };
  return Object.entries(labels).map(([step, label]) => ({
    name: `${name}, ${label}`,
    value: (durations[step] ?? 0) / 1000,
    unit: "s",
  }));
}

/** A source's first load over HTTP and one night after it. */
export const bulkLoadScenario: Scenario = {
  name: "bulk-load",
  about: "a million resources by bulk export from a local test server, all views, then a night of 1 %",
  run: async ({ quick, scratch, log }) => {
    const outDir = path.join(scratch, "population");
    await generatePopulation({ patients: quick ? 20 : 3000, seed: 7, outDir, updatesBatches: 1 });
    const files = readdirSync(outDir).filter((name) => /^[A-Z].*\.ndjson$/.test(name));
    const { url, child } = await startServer(files.map((name) => path.join(outDir, name)));
    try {
      const lake = path.join(scratch, "lake");
      const run = (): Promise<Cost> =>
        runSide("source-run", [lake, url, "bulk", ...files.map((name) => path.basename(name, ".ndjson"))]);
      const full = await run();
      log(`full load ${full.wall.toFixed(1)} s ${JSON.stringify(full.facts)}`);
      const changed = await applyNight(url, path.join(outDir, "batch-001"));
      const night = await run();
      log(`night of ${changed} changes ${night.wall.toFixed(2)} s ${JSON.stringify(night.facts)}`);
      const share = changed / Number(full.facts["resources"]);
      return [
        { name: "resources", value: Number(full.facts["resources"]), unit: "" },
        { name: "full load", value: full.wall, unit: "s" },
        ...split("full load", full),
        { name: "full load, peak memory", value: full.peakRss / 1e6, unit: "MB", bar: "<= 1500" },
        {
          name: "full load, differences found afterwards",
          value: Number(full.facts["differences"]),
          unit: "",
          bar: "0",
        },
        { name: "a night, changed share", value: share, unit: "" },
        { name: "a night", value: night.wall, unit: "s", bar: `<= ${(full.wall * 0.05 + 1).toFixed(2)}` },
        ...split("a night", night),
        { name: "a night, peak memory", value: night.peakRss / 1e6, unit: "MB", bar: "<= 1500" },
        {
          name: "a night, differences found afterwards",
          value: Number(night.facts["differences"]),
          unit: "",
          bar: "0",
        },
      ];
    } finally {
      child.removeAllListeners("exit");
      child.kill("SIGTERM");
    }
  },
};
