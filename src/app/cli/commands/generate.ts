import { generatePopulation } from "#synthetic";
import type { Command } from "../command.js";
import { EXIT } from "../exit-code.js";
import { parseCount, textOption } from "../option-value.js";
import { requiredOption } from "../required-option.js";

/** `fhir-lake generate` */
export const generateCommand: Command = {
  name: ["generate"],
  summary: "Write a synthetic FHIR population as NDJSON with a truth table",
  usage: "--out DIR [--patients N] [--seed S] [--batches N] [--no-meta]",
  help: [
    "--out DIR       an empty or new folder",
    "--patients N    default 500",
    "--seed S        equal seeds give equal bytes (default 1)",
    "--batches N     nightly batches of changes to write as well (batch-001, …)",
    "--no-meta       leave out meta.versionId and meta.lastUpdated, as many sources do",
  ],
  options: {
    out: { type: "string" },
    patients: { type: "string" },
    seed: { type: "string" },
    batches: { type: "string" },
    "no-meta": { type: "boolean" },
  },
  positionals: [0, 0],
  run: async ({ values, output }) => {
    const outDir = requiredOption(values, "out");
    const progress = output.progress("generate");
    const totals = await generatePopulation({
      patients: parseCount(textOption(values, "patients") ?? "500", "patients", 1),
      seed: parseCount(textOption(values, "seed") ?? "1", "seed", 0),
      outDir,
      updatesBatches: parseCount(textOption(values, "batches") ?? "0", "batches", 0),
      meta: values["no-meta"] !== true,
      onProgress: ({ patients, totalPatients }) => progress.update(patients, totalPatients),
    });
    progress.stop();
    output.document(totals);
    output.table(["type", "resources"], Object.entries(totals.resources));
    output.line(
      `${totals.totalResources} resources of ${totals.patients} patients, ${(totals.totalBytes / 1e6).toFixed(1)} MB, in ${outDir}`,
    );
    return EXIT.ok;
  },
};
