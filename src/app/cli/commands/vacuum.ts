import { vacuum } from "#lake";
import type { Command } from "../command.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";
import { parseCount, parseDuration, textOption } from "../option-value.js";

/** `fhir-lake vacuum` */
export const vacuumCommand: Command = {
  name: ["vacuum"],
  summary: "Remove old snapshots and files that no kept snapshot needs",
  usage: "[--keep N] [--grace 24h] [--dry-run]",
  help: [
    "--keep N       newest snapshots that stay readable (default 10)",
    "--grace 24h    never touch anything younger than this; 0s only when nobody else has the lake open",
    "--dry-run      say what would be removed",
  ],
  options: { keep: { type: "string" }, grace: { type: "string" }, "dry-run": { type: "boolean" } },
  positionals: [0, 0],
  run: (invocation) =>
    withLake(
      invocation,
      async (lake) => {
        const { output, values } = invocation;
        const dryRun = values["dry-run"] === true;
        const report = await vacuum(lake, {
          keepSnapshots: parseCount(textOption(values, "keep") ?? "10", "keep", 1),
          graceMs: parseDuration(textOption(values, "grace") ?? "24h", "grace"),
          dryRun,
        });
        output.document({ ...report, dryRun });
        output.line(
          `${dryRun ? "Would remove" : "Removed"} ${report.snapshotsRemoved} snapshots and ${report.filesRemoved} files (${report.bytesRemoved} bytes); oldest readable snapshot: ${report.oldestSnapshot ?? "none"}.`,
        );
        return EXIT.ok;
      },
      { mustExist: true },
    ),
};
