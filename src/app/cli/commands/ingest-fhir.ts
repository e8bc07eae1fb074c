import type { SourceConfig } from "#config";
import type { RunPhase } from "../../source-run/context.js";
import { runAndTell } from "../../source-run/run-and-tell.js";
import { namedSource, SOURCE_HELP, SOURCE_OPTIONS } from "../ad-hoc-source.js";
import type { Command, Invocation } from "../command.js";
import { loadedConfig } from "../config-option.js";
import { debugText } from "../debug-text.js";
import { withLake } from "../open-lake.js";
import { phaseProgress } from "../phase-progress.js";
import { runContext, stopSignal } from "../run-context.js";
import { reportRun, runExitCode } from "../run-report.js";

const LABELS: Readonly<Record<RunPhase, string>> = {
  fetch: "fetch",
  check: "check",
  store: "store",
  deletes: "find deletes",
  views: "build views",
  compact: "compact",
  compare: "compare",
};

async function ingest(invocation: Invocation, kind: SourceConfig["kind"] | undefined): Promise<number> {
  const { values, output } = invocation;
  const loaded = loadedConfig(invocation);
  const named = namedSource(invocation, loaded);
  const source = kind === undefined ? named : { ...named, config: { ...named.config, kind } };
  return withLake(invocation, async (lake) => {
    const progress = phaseProgress(output, LABELS);
    const stop = stopSignal();
    try {
      const context = await runContext(invocation, lake, loaded, {
        onProgress: progress.update,
        log: (message) => output.note(message),
      });
      const outcome = await runAndTell(context, {
        source,
        full: values["full"] === true,
        acceptDeletes: values["accept-deletes"] === true,
        trigger: "command",
        signal: stop.signal,
      });
      progress.stop();
      reportRun(output, outcome.record);
      if (outcome.error !== undefined && !stop.signal.aborted)
        output.note(
          invocation.environment["FHIR_LAKE_DEBUG"] === "1"
            ? debugText(outcome.error)
            : `fhir-lake: ${outcome.error.message}`,
        );
      return runExitCode(outcome);
    } finally {
      progress.stop();
      stop.off();
    }
  });
}

const USAGE =
  "<source> [--full] [--accept-deletes] [--url URL] [--types A,B] [--level L | --group ID] [--views DIR]…";
const HELP = [
  ...SOURCE_HELP,
  "--full             ask for everything again, whatever was loaded before",
  "--accept-deletes   take deletes found by comparison however many they are",
  "--views DIR        a folder of further ViewDefinitions to keep materialized",
];
const OPTIONS = {
  ...SOURCE_OPTIONS,
  full: { type: "boolean" },
  "accept-deletes": { type: "boolean" },
  views: { type: "string", multiple: true },
} as const;

/** `fhir-lake ingest fhir` */
export const ingestFhirCommand: Command = {
  name: ["ingest", "fhir"],
  summary: "Bring a FHIR server's changes into the lake",
  usage: USAGE,
  help: HELP,
  options: OPTIONS,
  positionals: [1, 1],
  run: (invocation) => ingest(invocation, undefined),
};

/** `fhir-lake ingest bulk` */
export const ingestBulkCommand: Command = {
  name: ["ingest", "bulk"],
  summary: "The same, by Bulk Data export whatever the configuration says",
  usage: USAGE,
  help: HELP,
  options: OPTIONS,
  positionals: [1, 1],
  run: (invocation) => ingest(invocation, "bulk"),
};
