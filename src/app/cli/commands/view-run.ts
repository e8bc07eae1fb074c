import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { compileView } from "#compiler";
import { didYouMean, LakeError } from "#kernel";
import { type ResultFormat, resultFormats } from "#query";
import { runViewOnce } from "../../view-run.js";
import type { Command, Invocation } from "../command.js";
import { EXIT } from "../exit-code.js";
import { listOption, memoryLimit, textOption } from "../option-value.js";
import { readViewText } from "../view-file.js";

function formatOption(text: string | undefined, out: string | undefined): ResultFormat {
  const name = text ?? (out === undefined ? "csv" : path.extname(out).slice(1));
  const format = resultFormats.find((known) => known === name);
  if (format === undefined) {
    throw new LakeError(
      "invalid-input",
      "cli/bad-format",
      `There is no format '${name}'; choose --format ${resultFormats.join(", ")}.${didYouMean(name, resultFormats)}`,
    );
  }
  return format;
}

/** Writes to the file under another name first, so that a failed run leaves no half answer. */
async function toFile(out: string, body: AsyncIterable<Uint8Array>): Promise<void> {
  const partial = `${out}.partial`;
  try {
    await pipeline(body, createWriteStream(partial));
    await rename(partial, out);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

async function run(invocation: Invocation): Promise<number> {
  const { positionals, values, output } = invocation;
  const out = textOption(values, "out");
  const inputs = listOption(values, "from");
  if (inputs.length === 0) {
    throw new LakeError(
      "invalid-input",
      "cli/missing-option",
      "--from is needed: a folder or files of NDJSON; see --help.",
    );
  }
  const format = formatOption(textOption(values, "format"), out);
  const compiled = compileView(await readViewText(positionals[0]!), { strict: values["strict"] === true });
  for (const warning of compiled.warnings) output.note(`warning: ${warning.message}`);
  const limit = memoryLimit(invocation);
  let rows = 0;
  const manifest = await runViewOnce(
    {
      compiled,
      inputs,
      source: textOption(values, "source") ?? "",
      format,
      ...(limit === undefined ? {} : { memoryLimitBytes: limit }),
    },
    async (result) => {
      if (out === undefined) await pipeline(result.body, output.results, { end: false });
      else await toFile(out, result.body);
      rows = result.rowCount();
    },
  );
  const { quarantined } = manifest.counts;
  output.note(`${rows} rows${out === undefined ? "" : ` in ${out}`}`);
  for (const problem of manifest.problems) output.note(`warning: ${problem.input}: ${problem.message}`);
  if (quarantined > 0)
    output.note(`warning: ${quarantined} pieces of input were refused and are not in the answer.`);
  return quarantined === 0 && manifest.problems.length === 0 ? EXIT.ok : EXIT.incomplete;
}

/** `fhir-lake view run` */
export const viewRunCommand: Command = {
  name: ["view", "run"],
  summary: "Run one ViewDefinition over NDJSON, without a lake",
  usage: "<view.json> --from <path>… [--format F] [--out FILE] [--source NAME] [--strict]",
  help: [
    "--from PATH    a file or folder of NDJSON, or - for stdin; may be repeated",
    `--format F     ${resultFormats.join(", ")} (default: by the ending of --out, else csv)`,
    "--out FILE     default: stdout",
    "--source NAME  qualifies the keys; without it they are Type/id",
    "--strict       an element that the type does not have is an error, not an empty column",
  ],
  options: {
    from: { type: "string", multiple: true },
    format: { type: "string" },
    out: { type: "string" },
    source: { type: "string" },
    strict: { type: "boolean" },
  },
  positionals: [1, 1],
  run,
};
