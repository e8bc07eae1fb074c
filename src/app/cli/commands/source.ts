import { type ReferenceCounts, unresolvedReferences } from "#batch";
import { createFhirHttp, type FhirHttp, testSource } from "#ingestion";
import { systemClock } from "#kernel";
import { type CompletenessState, commitSourceState } from "#lake";
import { Ledger } from "#runs";
import { exportLevel } from "../../source-run/choose.js";
import { compareWithSource } from "../../source-run/completeness.js";
import { httpSettings, type SourceDefinition } from "../../source-run/source.js";
import { namedSource, SOURCE_HELP, SOURCE_OPTIONS } from "../ad-hoc-source.js";
import type { Command, Invocation } from "../command.js";
import { configuredSources, loadedConfig } from "../config-option.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";
import { parseCount, textOption } from "../option-value.js";
import type { Output } from "../output.js";
import { runContext, stopSignal } from "../run-context.js";
import { referencesText } from "../run-report.js";

async function withHttp<T>(
  source: SourceDefinition,
  work: (http: FhirHttp, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = stopSignal();
  const http = createFhirHttp(httpSettings(source, { signal: stop.signal }));
  try {
    return await work(http, stop.signal);
  } finally {
    await http.close();
    stop.off();
  }
}

async function test(invocation: Invocation): Promise<number> {
  const { output } = invocation;
  const source = namedSource(invocation, loadedConfig(invocation));
  const { config } = source;
  const result = await withHttp(source, (http, signal) =>
    testSource({
      http,
      types: config.types,
      policy: config.order,
      pageSize: config.pageSize,
      signal,
      ...(config.kind === "search" ? {} : { exportLevel: exportLevel(config) }),
    }),
  );
  output.document(result);
  for (const { result: outcome, message, guarantee } of result.findings) {
    output.line(`${outcome.padEnd(8)} ${message}${guarantee === undefined ? "" : ` ${guarantee}`}`);
  }
  output.line(result.usable ? "The source can be used." : "The source cannot be used as it is configured.");
  return result.usable ? EXIT.ok : EXIT.unavailable;
}

function reportComparison(output: Output, found: CompletenessState, references: ReferenceCounts): void {
  output.document({ ...found, references });
  output.table(
    ["type", "source", "lake", ""],
    Object.entries(found.counts).map(([type, { source, lake, differs }]) => [
      type,
      source === null ? "not counted" : String(source),
      String(lake),
      source === null || source === lake ? "" : differs === false ? "changed since" : "differs",
    ]),
  );
  output.line(`${found.sampled} resources compared one by one, ${found.sampleDifferences} differ.`);
  output.line(referencesText(references));
}

async function check(invocation: Invocation): Promise<number> {
  const loaded = loadedConfig(invocation);
  const source = namedSource(invocation, loaded);
  const size = textOption(invocation.values, "sample");
  return withLake(
    invocation,
    async (lake) => {
      const context = await runContext(invocation, lake, loaded);
      const sample = size === undefined ? source.config.completeness.sample : parseCount(size, "sample", 0);
      const [found, references] = await withHttp(source, async (http, signal) => [
        await compareWithSource({ ...context, source, http, signal }, { counts: true, sample }),
        await unresolvedReferences(lake, { source: source.name, base: http.base.href }),
      ]);
      await commitSourceState(lake, source.name, { completeness: found });
      reportComparison(invocation.output, found, references);
      return found.differences === 0 ? EXIT.ok : EXIT.incomplete;
    },
    { mustExist: true },
  );
}

async function list(invocation: Invocation): Promise<number> {
  const { output, environment } = invocation;
  const loaded = loadedConfig(invocation);
  const configured = configuredSources(loaded, environment);
  return withLake(invocation, async (lake) => {
    const known = (await lake.history.latest())?.sources ?? {};
    const ledger = new Ledger({ store: lake.store, clock: systemClock });
    const names = [...new Set([...configured.map((source) => source.name), ...Object.keys(known)])].sort();
    const rows = await Promise.all(
      names.map(async (name) => {
        const config = configured.find((source) => source.name === name)?.config;
        const [last] = await ledger.list({ source: name, limit: 1 });
        const marks = Object.values(known[name]?.watermarks ?? {}).sort(
          (a, b) => Date.parse(a) - Date.parse(b),
        );
        return {
          name,
          url: config?.url ?? null,
          schedule: config?.schedule ?? null,
          upTo: marks[0] ?? null,
          lastRun: last?.state ?? null,
          state: known[name] ?? null,
        };
      }),
    );
    output.document(rows);
    output.table(
      ["source", "address", "schedule", "complete up to", "last run", "deletes known"],
      rows.map((row) => [
        row.name,
        row.url ?? "(not configured)",
        row.schedule === null ? "" : `${row.schedule.cron} ${row.schedule.timeZone}`,
        row.upTo ?? "",
        row.lastRun ?? "",
        row.state?.deletesVerified === undefined ? "" : row.state.deletesVerified ? "yes" : "no",
      ]),
    );
    return EXIT.ok;
  });
}

/** `fhir-lake source list` */
export const sourceListCommand: Command = {
  name: ["source", "list"],
  summary: "List the sources: configured, how far loaded, last run",
  usage: "",
  options: {},
  positionals: [0, 0],
  run: list,
};

/** `fhir-lake source test` */
export const sourceTestCommand: Command = {
  name: ["source", "test"],
  summary: "Try a source and say what it cannot guarantee",
  usage: "<source> [--url URL] [--types A,B] [--level L | --group ID]",
  help: SOURCE_HELP,
  options: SOURCE_OPTIONS,
  positionals: [1, 1],
  run: test,
};

/** `fhir-lake source check` */
export const sourceCheckCommand: Command = {
  name: ["source", "check"],
  summary: "Compare a source's counts and a random sample with the lake, count unresolved references",
  usage: "<source> [--sample N]",
  help: ["--sample N         resources compared one by one (default: the configuration's)", ...SOURCE_HELP],
  options: { ...SOURCE_OPTIONS, sample: { type: "string" } },
  positionals: [1, 1],
  run: check,
};
