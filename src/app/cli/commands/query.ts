import { pipeline } from "node:stream/promises";
import { systemClock } from "#kernel";
import { createQuery, lakeCatalog, withSystemViews } from "#query";
import { Ledger } from "#runs";
import { runsView } from "../../system-views.js";
import type { Command } from "../command.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";
import { parseCount, textOption } from "../option-value.js";

/** `fhir-lake query` */
export const queryCommand: Command = {
  name: ["query"],
  summary: "Run one SELECT over the views (read only)",
  usage: '"<sql>" [--snapshot N] [--json]',
  help: ["--snapshot N  read the views as they were in that snapshot (default: the newest)"],
  options: { snapshot: { type: "string" } },
  positionals: [1, 1],
  run: (invocation) =>
    withLake(
      invocation,
      async (lake) => {
        const { output, positionals, values } = invocation;
        const snapshot = textOption(values, "snapshot");
        const temporaryFolder = await lake.store.stagingDirectory(`query-${process.pid}`);
        const runs = new Ledger({ store: lake.store, clock: systemClock });
        const catalog = withSystemViews(lakeCatalog(lake), [runsView(runs)]);
        const query = createQuery({ catalog, database: lake.database, temporaryFolder });
        const answer = await query.runSql(
          positionals[0]!,
          snapshot === undefined ? {} : { snapshot: parseCount(snapshot, "snapshot", 1) },
        );
        try {
          if (output.json) {
            const { body } = await answer.encode("json");
            await pipeline(body, output.results, { end: false });
            output.results.write("\n");
          } else {
            const rows = await answer.texts();
            output.table(
              answer.columns.map((c) => c.name),
              rows.map((row) => row.map((cell) => cell ?? "")),
            );
            output.note(
              `${rows.length} rows from snapshot ${answer.snapshot.id} as of ${answer.snapshot.committedAt}`,
            );
          }
        } finally {
          answer.close();
        }
        return EXIT.ok;
      },
      { mustExist: true },
    ),
};
