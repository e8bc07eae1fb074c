import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import type { Lake } from "#lake";
import { generatePopulation } from "#synthetic";
import { ingestNdjson, settle } from "../../ingest.js";
import { serveLake, untilStopped } from "../../serve.js";
import type { Command, Invocation } from "../command.js";
import { loadedConfig, stalenessTargets } from "../config-option.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";
import { memoryLimit, parseCount, textOption } from "../option-value.js";
import { withSchedules } from "../schedule-beside.js";
import { wantedViews } from "../views-option.js";
import { phaseProgress } from "./ingest-ndjson.js";
import { ADDRESS_HELP, ADDRESS_OPTIONS, address } from "./serve.js";

/** Name of the source that the synthetic population is stored under. */
const SOURCE = "synthetic";

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
      seed: 1,
      outDir,
      onProgress: (p) => generating.update(p.patients, p.totalPatients),
    });
    generating.stop();
    const progress = phaseProgress(output);
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
  const progress = phaseProgress(invocation.output);
  await settle(lake, {
    views: await wantedViews(invocation.values, lake.definitions),
    onProgress: progress.update,
  });
  progress.stop();
}

function greeting(url: string): string[] {
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
    "Ctrl+C stops; starting again reuses the lake.",
  ].map((line) => line.trimEnd());
}

/** `fhir-lake start`: what `npm start` runs. */
export const startCommand: Command = {
  name: ["start"],
  summary: "Serve the lake; an empty one is first filled with a synthetic population",
  usage: "[--patients N] [--port N] [--host H]",
  help: [
    "--patients N               size of the synthetic population of an empty lake (default 500)",
    ...ADDRESS_HELP,
  ],
  options: {
    patients: { type: "string" },
    ...ADDRESS_OPTIONS,
    views: { type: "string", multiple: true },
  },
  positionals: [0, 0],
  run: (invocation) =>
    withLake(invocation, async (lake) => {
      const patients = parseCount(textOption(invocation.values, "patients") ?? "500", "patients", 1);
      const at = address(invocation);
      if ((await lake.history.latest()) === undefined) await fill(lake, invocation, patients);
      else await completeViews(lake, invocation);
      const memoryLimitBytes = memoryLimit(invocation);
      const server = await serveLake(lake, {
        ...at,
        stalenessTargets: stalenessTargets(loadedConfig(invocation)),
        ...(memoryLimitBytes === undefined ? {} : { memoryLimitBytes }),
      });
      invocation.output.document({ url: server.url });
      for (const line of greeting(server.url)) invocation.output.line(line);
      await withSchedules(invocation, lake, untilStopped);
      await server.close();
      return EXIT.ok;
    }),
};
