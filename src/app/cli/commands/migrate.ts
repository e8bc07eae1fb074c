import { formatReport, migrate } from "#lake";
import type { Command } from "../command.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";

/** `fhir-lake migrate` */
export const migrateCommand: Command = {
  name: ["migrate"],
  summary: "Commit the lake's newest state in the format of this release",
  usage: "[--dry-run]",
  help: [
    "--dry-run  only show the formats",
    "Old snapshots are always readable and are not rewritten; older releases refuse the lake afterwards.",
  ],
  options: { "dry-run": { type: "boolean" } },
  positionals: [0, 0],
  run: (invocation) =>
    withLake(
      invocation,
      async (lake) => {
        const { output, values } = invocation;
        const report = await formatReport(lake);
        const made = values["dry-run"] === true ? undefined : await migrate(lake);
        output.document({ ...report, snapshot: made?.id ?? null });
        output.table(
          ["format", "snapshots"],
          Object.entries(report.stored).map(([format, count]) => [format, count]),
        );
        for (const change of report.changes) output.line(change);
        output.line(
          made !== undefined
            ? `Snapshot ${made.id} is in format ${report.current}.`
            : report.head === report.current
              ? `The lake is in format ${report.current}, the one of this release.`
              : `The newest snapshot is in format ${report.head}; this release writes ${report.current}.`,
        );
        return EXIT.ok;
      },
      { mustExist: true },
    ),
};
