import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { type CompiledView, compileView } from "#compiler";
import type { Definitions } from "#fhir";
import { didYouMean, LakeError } from "#kernel";
import { type ResultFormat, resultFormats } from "#query";
import { type RowConsumer, runViewOnce, runViewOnLake } from "../../view-run.js";
import type { Command, Invocation } from "../command.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";
import { listOption, memoryLimit, parseCount, textOption } from "../option-value.js";
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

/** What files and a lake have in common. */
interface Run {
  readonly invocation: Invocation;
  readonly format: ResultFormat;
  readonly memoryLimitBytes?: number;
  compile(definitions?: Definitions): Promise<CompiledView>;
  /** Writes the answer to where it is wanted. */
  readonly consume: RowConsumer;
  /** Rows written, in words. */
  readonly written: () => string;
}

function runOf(invocation: Invocation): Run {
  const { positionals, values, output } = invocation;
  const out = textOption(values, "out");
  const limit = memoryLimit(invocation);
  let rows = 0;
  return {
    invocation,
    format: formatOption(textOption(values, "format"), out),
    ...(limit === undefined ? {} : { memoryLimitBytes: limit }),
    compile: async (definitions) => {
      const compiled = compileView(await readViewText(positionals[0]!), {
        strict: values["strict"] === true,
        ...(definitions === undefined ? {} : { definitions }),
      });
      for (const warning of compiled.warnings) output.note(`warning: ${warning.message}`);
      return compiled;
    },
    consume: async (result) => {
      if (out === undefined) await pipeline(result.body, output.results, { end: false });
      else await toFile(out, result.body);
      rows = result.rowCount();
    },
    written: () => `${rows} rows${out === undefined ? "" : ` in ${out}`}`,
  };
}

async function overFiles(run: Run, inputs: readonly string[]): Promise<number> {
  const { values, output } = run.invocation;
  const source = textOption(values, "source") ?? "";
  const manifest = await runViewOnce({ ...run, compiled: await run.compile(), inputs, source }, run.consume);
  const { quarantined } = manifest.counts;
  output.note(run.written());
  for (const problem of manifest.problems) output.note(`warning: ${problem.input}: ${problem.message}`);
  if (quarantined > 0)
    output.note(`warning: ${quarantined} pieces of input were refused and are not in the answer.`);
  return quarantined === 0 && manifest.problems.length === 0 ? EXIT.ok : EXIT.incomplete;
}

function overLake(run: Run, snapshot: string | undefined): Promise<number> {
  const { invocation, consume, written } = run;
  const { output } = invocation;
  return withLake(
    invocation,
    async (lake) => {
      const compiled = await run.compile(lake.definitions);
      const pinned = snapshot === undefined ? {} : { snapshot: parseCount(snapshot, "snapshot", 1) };
      const { id, committedAt } = await runViewOnLake(lake, { ...run, compiled, ...pinned }, consume);
      output.note(`${written()} from snapshot ${id} as of ${committedAt}`);
      return EXIT.ok;
    },
    { mustExist: true },
  );
}

function usage(message: string): LakeError {
  return new LakeError("invalid-input", "cli/missing-option", message);
}

async function run(invocation: Invocation): Promise<number> {
  const { values } = invocation;
  const inputs = listOption(values, "from");
  const snapshot = textOption(values, "snapshot");
  const lake = snapshot !== undefined || textOption(values, "lake") !== undefined;
  if (inputs.length === 0 && !lake) {
    throw usage("--from (a folder or files of NDJSON), --lake or --snapshot is needed; see --help.");
  }
  if (inputs.length > 0 && snapshot !== undefined) {
    throw usage("--snapshot is of a lake and --from of files; give one of them.");
  }
  if (inputs.length === 0 && values["source"] !== undefined) {
    throw usage("--source names the source of --from; the resources of a lake have theirs.");
  }
  return inputs.length > 0 ? overFiles(runOf(invocation), inputs) : overLake(runOf(invocation), snapshot);
}

/** `fhir-lake view run` */
export const viewRunCommand: Command = {
  name: ["view", "run"],
  summary: "Run one ViewDefinition over NDJSON or over a snapshot of a lake",
  usage:
    "<view.json> (--from <path>… | --lake LAKE [--snapshot N]) [--format F] [--out FILE] [--source NAME] [--strict]",
  help: [
    "--from PATH    a file or folder of NDJSON, or - for stdin; may be repeated; no lake is needed",
    "--snapshot N   over the lake's resources as they were in that snapshot (default: the newest)",
    `--format F     ${resultFormats.join(", ")} (default: by the ending of --out, else csv)`,
    "--out FILE     default: stdout",
    "--source NAME  of --from: qualifies the keys; without it they are Type/id",
    "--strict       an element that the type does not have is an error, not an empty column",
  ],
  options: {
    from: { type: "string", multiple: true },
    format: { type: "string" },
    out: { type: "string" },
    source: { type: "string" },
    snapshot: { type: "string" },
    strict: { type: "boolean" },
  },
  positionals: [1, 1],
  run,
};
