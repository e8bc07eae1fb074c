import { randomBytes } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import type { Sender } from "#ingestion";
import { isLakeError, LakeError } from "#kernel";
import type { Lake } from "#lake";
import { generatePopulation } from "#synthetic";
import { trickle } from "../../demo/trickle.js";
import { ingestNdjson, settle } from "../../ingest.js";
import { serveLake, untilStopped } from "../../serve.js";
import { startTracing } from "../../tracing.js";
import type { Command, Invocation } from "../command.js";
import { loadedConfig, stalenessTargets } from "../config-option.js";
import { EXIT } from "../exit-code.js";
import { liveSide } from "../live-option.js";
import { memoryLimit, parseCount, textOption } from "../option-value.js";
import { checkedQueries } from "../queries-option.js";
import { withSchedules } from "../schedule-beside.js";
import { selfCheckSide } from "../self-check-option.js";
import { wantedViews } from "../views-option.js";
import { ingestProgress } from "./ingest-ndjson.js";
import { ADDRESS_HELP, ADDRESS_OPTIONS, accessSide, address, tellWhoMayAsk, withServed } from "./serve.js";

/** Name of the source that the synthetic population is stored under. */
const SOURCE = "synthetic";
const SEED = 1;

/** The population's NDJSON; the truth table beside it is no FHIR data. */
async function resourceFiles(dir: string): Promise<string[]> {
  const names = await readdir(dir);
  return names.filter((name) => name.endsWith(".ndjson")).map((name) => path.join(dir, name));
}

/** Generates, ingests and materializes the synthetic population. */
async function fill(lake: Lake, invocation: Invocation, patients: number): Promise<void> {
  const { output, values } = invocation;
  const staging = await lake.store.stagingDirectory("population");
  const outDir = path.join(staging, "ndjson");
  try {
    const generating = output.progress("generate");
    await generatePopulation({
      patients,
      seed: SEED,
      outDir,
      onProgress: (p) => generating.update(p.patients, p.totalPatients),
    });
    generating.stop();
    const progress = ingestProgress(output);
    const views = await wantedViews(values, lake.definitions);
    const result = await ingestNdjson(lake, {
      inputs: await resourceFiles(outDir),
      source: SOURCE,
      policy: "time",
      views,
      onProgress: progress.update,
    });
    progress.stop();
    const rows = Object.values(result.head?.views ?? {}).reduce((sum, view) => sum + view.rowCount, 0);
    output.note(
      `${result.counts.stored} resources of ${patients} synthetic patients, ${rows} rows in ${Object.keys(result.head?.views ?? {}).length} views`,
    );
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** Views that a new version of the program changed, or that an interrupted run left unbuilt. */
async function completeViews(lake: Lake, invocation: Invocation): Promise<void> {
  const progress = ingestProgress(invocation.output);
  await settle(lake, {
    views: await wantedViews(invocation.values, lake.definitions),
    onProgress: progress.update,
  });
  progress.stop();
}

/** What the flow of changes goes by. */
interface Flow {
  readonly signal: AbortSignal;
  /** Says one sentence to whoever looks on. */
  readonly tell: (what: string) => void;
}

/** A sender of this process's own: nobody else knows its secret, which lives as long as the process. */
function demoSender(): {
  readonly senders: ReadonlyMap<string, Sender>;
  /** Until the signal; what goes wrong is said and ends nothing else. */
  run(lake: Lake, url: string, patients: number, flow: Flow): Promise<void>;
} {
  const secret = randomBytes(24).toString("base64url");
  return {
    senders: new Map([[SOURCE, { source: SOURCE, policy: "time", pathSecrets: [secret] }]]),
    run: async (lake, url, patients, { signal, tell }) => {
      try {
        await trickle({
          population: { patients, seed: SEED },
          folder: await lake.store.stagingDirectory("trickle"),
          endpoint: `${url}/notify/${SOURCE}/${secret}`,
          perSecond: 5,
          signal,
          onTrouble: tell,
        });
      } catch (error) {
        tell(`No more changes flow in (${isLakeError(error) ? error.code : "internal"}); start again.`);
      }
    },
  };
}

function greeting(url: string, live: boolean): string[] {
  return [
    "",
    `fhir-lake serves on ${url}`,
    "",
    "  In a shell:    ",
    `    curl -s ${url}/views/patient_demographics.csv | head`,
    "  In Python:",
    `    import pandas as pd; df = pd.read_parquet("${url}/views/patient_demographics.parquet", dtype_backend="pyarrow"); print(df.dtypes)`,
    "  In a browser:",
    `    ${url}/views`,
    "",
    ...(live
      ? [
          "  Changes flow in, five a second; watch rows and epoch move:",
          `    while sleep 1; do curl -si "${url}/views/encounter.csv?count=exact&limit=1" | grep -iE "x-lake-epoch|x-total-count"; done`,
          "",
        ]
      : []),
    "Ctrl+C stops; starting again reuses the lake.",
  ].map((line) => line.trimEnd());
}

/** `fhir-lake start`: what `npm start` runs. */
export const startCommand: Command = {
  name: ["start"],
  summary: "Serve the lake; an empty one is first filled with a synthetic population",
  usage: "[--patients N] [--live] [--port N] [--host H]",
  help: [
    "--patients N               size of the synthetic population of an empty lake (default 500)",
    "--live                     let changes to the synthetic population flow in, five a second",
    ...ADDRESS_HELP,
  ],
  options: {
    live: { type: "boolean" },
    patients: { type: "string" },
    ...ADDRESS_OPTIONS,
    views: { type: "string", multiple: true },
  },
  positionals: [0, 0],
  run: (invocation) =>
    withServed(invocation, async (lake, opened) => {
      const patients = parseCount(textOption(invocation.values, "patients") ?? "500", "patients", 1);
      const at = address(invocation);
      const access = await accessSide(invocation, lake);
      opened.add(() => access.close());
      if ((await lake.history.latest()) === undefined) await fill(lake, invocation, patients);
      else await completeViews(lake, invocation);
      const memoryLimitBytes = memoryLimit(invocation);
      const { live, close } = await liveSide(invocation, lake);
      opened.add(close);
      const demo = invocation.values["live"] === true ? demoSender() : undefined;
      if (demo !== undefined && live === undefined) {
        throw new LakeError(
          "invalid-input",
          "cli/no-journal",
          "--live needs a journal: name one with DATABASE_URL or FHIR_LAKE_JOURNAL, or use a lake in a folder.",
        );
      }
      const tracing = await startTracing(invocation.environment);
      opened.add(() => tracing.close());
      const server = await serveLake(lake, {
        ...at,
        access,
        stalenessTargets: stalenessTargets(loadedConfig(invocation)),
        selfCheck: selfCheckSide(invocation, loadedConfig(invocation)),
        savedQueries: await checkedQueries(invocation, lake),
        live:
          live === undefined
            ? undefined
            : { ...live, senders: new Map([...live.senders, ...(demo?.senders ?? [])]) },
        ...(memoryLimitBytes === undefined ? {} : { memoryLimitBytes }),
      });
      opened.add(() => server.close());
      invocation.output.document({ url: server.url });
      tellWhoMayAsk(invocation, access);
      for (const line of greeting(server.url, demo !== undefined)) invocation.output.line(line);
      const stop = new AbortController();
      const flow: Flow = { signal: stop.signal, tell: (what) => invocation.output.note(what) };
      const flowing = demo === undefined ? undefined : demo.run(lake, server.url, patients, flow);
      await withSchedules(invocation, lake, untilStopped);
      stop.abort();
      await flowing;
      return EXIT.ok;
    }),
};
