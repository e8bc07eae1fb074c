import { systemClock } from "#kernel";
import { Ledger, type RunRecord } from "#runs";
import type { Command } from "../command.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";
import { parseCount, textOption } from "../option-value.js";
import { reportRun } from "../run-report.js";

function seconds(from: string, to: string | null): string {
  return to === null ? "" : `${((Date.parse(to) - Date.parse(from)) / 1000).toFixed(1)} s`;
}

/** How many resources that others refer to are not in the lake. */
function unresolvedOf({ unresolved }: NonNullable<RunRecord["references"]>): number {
  return Object.values(unresolved).reduce((sum, count) => sum + count, 0);
}

/** `fhir-lake runs` */
export const runsCommand: Command = {
  name: ["runs"],
  summary: "List the runs of sources, or show one",
  usage: "[<run id>] [--source NAME] [--limit N]",
  help: [
    "<run id>           show this run; the beginning of the id is enough",
    "--source NAME      runs of this source only",
    "--limit N          newest runs to list (default 20)",
  ],
  options: { source: { type: "string" }, limit: { type: "string" } },
  positionals: [0, 1],
  run: (invocation) =>
    withLake(invocation, async (lake) => {
      const { output, values, positionals } = invocation;
      const ledger = new Ledger({ store: lake.store, clock: systemClock });
      if (positionals[0] !== undefined) {
        const record = await ledger.get(positionals[0]);
        reportRun(output, record);
        if (record.error !== null) output.line(`${record.error.code}: ${record.error.message}`);
        return EXIT.ok;
      }
      const source = textOption(values, "source");
      const limit = parseCount(textOption(values, "limit") ?? "20", "limit", 1);
      const runs = await ledger.list({ limit, ...(source === undefined ? {} : { source }) });
      output.document(runs);
      const sum = (
        run: (typeof runs)[number],
        name: "fetched" | "stored" | "deleted" | "quarantined",
      ): number => Object.values(run.types).reduce((total, type) => total + type[name], 0);
      output.table(
        [
          "run",
          "source",
          "state",
          "started",
          "took",
          "by",
          "fetched",
          "stored",
          "deleted",
          "refused",
          "unresolved",
          "error",
        ],
        runs.map((run) => [
          run.runId,
          run.source,
          run.state,
          run.startedAt.slice(0, 19),
          seconds(run.startedAt, run.finishedAt),
          run.kind ?? "",
          sum(run, "fetched"),
          sum(run, "stored"),
          sum(run, "deleted"),
          sum(run, "quarantined"),
          run.references === undefined ? "" : unresolvedOf(run.references),
          run.error?.code ?? "",
        ]),
      );
      return EXIT.ok;
    }),
};
