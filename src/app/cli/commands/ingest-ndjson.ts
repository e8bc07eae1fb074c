import { LakeError } from "#kernel";
import type { Snapshot } from "#lake";
import { type IngestPhase, type IngestResult, ingestNdjson } from "../../ingest.js";
import { publishAfterCommit } from "../../publish.js";
import type { Command, Invocation } from "../command.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";
import { parseSize, textOption } from "../option-value.js";
import type { Output } from "../output.js";
import { type PhaseProgress, phaseProgress } from "../phase-progress.js";
import { wantedViews } from "../views-option.js";

const LABELS: Readonly<Record<IngestPhase, string>> = {
  check: "check",
  store: "store",
  views: "build views",
  compact: "compact",
};

/** The progress display of an ingestion. */
export function ingestProgress(output: Output): PhaseProgress<IngestPhase> {
  return phaseProgress(output, LABELS);
}

/** Views of a snapshot that the data broke, with the reason. */
export function failedViews(head: Snapshot | undefined): [string, string][] {
  return Object.entries(head?.views ?? {}).flatMap(([name, view]) =>
    view.state === "failed" ? [[name, view.failure?.message ?? ""]] : [],
  );
}

/** Prints counts per type and in total; they reconcile with the input. */
export function reportIngest(output: Output, result: IngestResult): void {
  const { counts, types, problems, unknownElements, quarantine, head, snapshot } = result;
  output.document({
    snapshot: snapshot?.id ?? null,
    head: head?.id ?? null,
    counts,
    types,
    problems,
    unknownElements,
    quarantine: quarantine ?? null,
  });
  const rows = Object.entries(types).map(([type, c]) => [
    type,
    c.stored,
    c.deleted,
    c.superseded,
    c.unchanged,
  ]);
  output.table(["type", "stored", "of these deletes", "superseded", "unchanged"], rows);
  const bundles = counts.unpacked === 0 ? "" : ` + ${counts.entries} entries of ${counts.unpacked} bundles`;
  const skipped =
    counts.unpacked === 0 ? "" : ` + ${counts.unpacked} bundles unpacked + ${counts.skipped} entries skipped`;
  const refused = counts.refused === undefined ? "" : ` + ${counts.refused} of erased persons`;
  output.line(
    `${counts.lines} lines${bundles} = ${counts.stored} stored + ${counts.superseded} superseded + ${counts.unchanged} unchanged + ${counts.quarantined} quarantined + ${counts.blank} blank${skipped}${refused}`,
  );
  output.line(
    snapshot === undefined ? "Nothing new: no snapshot was made." : `Committed as snapshot ${snapshot.id}.`,
  );
  for (const [name, failure] of failedViews(head)) output.note(`warning: view ${name} failed: ${failure}`);
  for (const problem of problems) output.note(`warning: ${problem.input}: ${problem.message}`);
  if (quarantine !== undefined)
    output.note(
      `warning: ${counts.quarantined} pieces of input were refused; see ${quarantine} in the lake.`,
    );
}

function policyOption(text: string | undefined): "time" | "version" {
  if (text === undefined || text === "time" || text === "version") return text ?? "time";
  throw new LakeError("invalid-input", "cli/bad-order", `--order is 'time' or 'version', not '${text}'.`);
}

function bundlesOption(text: string | undefined): "auto" | "unpack" | "store" {
  if (text === undefined || text === "auto" || text === "unpack" || text === "store") return text ?? "auto";
  throw new LakeError(
    "invalid-input",
    "cli/bad-bundles",
    `--bundles is 'auto', 'unpack' or 'store', not '${text}'.`,
  );
}

async function run(invocation: Invocation): Promise<number> {
  const { values, positionals, output } = invocation;
  const lineLimit = textOption(values, "max-line");
  return withLake(invocation, async (lake) => {
    const progress = ingestProgress(output);
    const abort = new AbortController();
    const onInterrupt = (): void => abort.abort();
    process.once("SIGINT", onInterrupt);
    try {
      const result = await ingestNdjson(lake, {
        inputs: positionals,
        source: textOption(values, "source") ?? "main",
        policy: policyOption(textOption(values, "order")),
        bundles: bundlesOption(textOption(values, "bundles")),
        ...(lineLimit === undefined ? {} : { limits: { maxLineBytes: parseSize(lineLimit, "max-line") } }),
        views: await wantedViews(values, lake.definitions),
        onProgress: progress.update,
        signal: abort.signal,
      });
      if (values["publish"] === true) await publishAfterCommit(lake, { signal: abort.signal });
      progress.stop();
      reportIngest(output, result);
      const whole =
        result.counts.quarantined === 0 &&
        result.problems.length === 0 &&
        failedViews(result.head).length === 0;
      return whole ? EXIT.ok : EXIT.incomplete;
    } finally {
      progress.stop();
      process.off("SIGINT", onInterrupt);
    }
  });
}

/** `fhir-lake ingest ndjson` */
export const ingestNdjsonCommand: Command = {
  name: ["ingest", "ndjson"],
  summary: "Load NDJSON files, folders, Bundles or stdin into the lake",
  usage:
    "<path>… [--source NAME] [--order time|version] [--bundles auto|unpack|store] [--max-line SIZE] [--views DIR]… [--publish]",
  help: [
    "<path>             a file, a folder (searched for *.ndjson, *.jsonl, *.json, also .gz), or - for stdin",
    "--source NAME      identity namespace of the resources (default main)",
    "--order RULE       what makes a version newer: time (meta.lastUpdated first) or version (versionId first)",
    "--bundles MODE     auto: unpack Bundle files, store Bundles that are lines of NDJSON; unpack or store: always",
    "--max-line SIZE    longest accepted resource (default 16MiB)",
    "--views DIR        a folder of further ViewDefinitions to keep materialized",
    "--publish          publish the result as Delta Lake tables (see fhir-lake publish)",
  ],
  options: {
    source: { type: "string" },
    order: { type: "string" },
    bundles: { type: "string" },
    "max-line": { type: "string" },
    views: { type: "string", multiple: true },
    publish: { type: "boolean" },
  },
  positionals: [1, 10_000],
  run,
};
