import { type VacuumOptions, vacuum } from "#lake";
import type { Command, OptionValues } from "../command.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";
import { parseCount, parseDuration, textOption } from "../option-value.js";

function optional<Key extends keyof VacuumOptions>(
  values: OptionValues,
  option: string,
  key: Key,
  parse: (text: string, option: string) => number,
): { [K in Key]?: number } {
  const text = textOption(values, option);
  return (text === undefined ? {} : { [key]: parse(text, option) }) as { [K in Key]?: number };
}

const count = (text: string, option: string): number => parseCount(text, option, 1);

function vacuumOptions(values: OptionValues): VacuumOptions {
  return {
    keepSnapshots: parseCount(textOption(values, "keep") ?? "10", "keep", 1),
    ...optional(values, "keep-all", "keepAllMs", parseDuration),
    ...optional(values, "keep-daily", "keepDailyDays", count),
    ...optional(values, "keep-monthly", "keepMonthlyMonths", count),
    ...optional(values, "landings", "landingMs", parseDuration),
    ...optional(values, "quarantine", "quarantineMs", parseDuration),
    graceMs: parseDuration(textOption(values, "grace") ?? "24h", "grace"),
    dryRun: values["dry-run"] === true,
  };
}

/** `fhir-lake vacuum` */
export const vacuumCommand: Command = {
  name: ["vacuum"],
  summary: "Remove old snapshots and files that no kept snapshot needs",
  usage:
    "[--keep N] [--keep-all 7d] [--keep-daily N] [--keep-monthly N] [--grace 24h] [--landings D] [--quarantine D] [--dry-run]",
  help: [
    "--keep N          newest snapshots that stay readable (default 10)",
    "--keep-all 7d     and all of the last so many days or hours",
    "--keep-daily N    and the last one of each day for N days (UTC)",
    "--keep-monthly N  and the last one of each month for N months (UTC)",
    "--grace 24h       never touch anything younger, nor what was readable so recently; 0s only when nobody else has the lake open",
    "--landings D      remove landings that were begun so long ago and never committed (default: the grace period)",
    "--quarantine D    remove quarantined input older than this (default: keep it)",
    "--dry-run         say what would be removed",
    "Pinned snapshots stay (fhir-lake pin).",
  ],
  options: {
    keep: { type: "string" },
    "keep-all": { type: "string" },
    "keep-daily": { type: "string" },
    "keep-monthly": { type: "string" },
    grace: { type: "string" },
    landings: { type: "string" },
    quarantine: { type: "string" },
    "dry-run": { type: "boolean" },
  },
  positionals: [0, 0],
  run: (invocation) =>
    withLake(
      invocation,
      async (lake) => {
        const { output, values } = invocation;
        const options = vacuumOptions(values);
        const report = await vacuum(lake, options);
        output.document({ ...report, dryRun: options.dryRun });
        output.line(
          `${options.dryRun === true ? "Would remove" : "Removed"} ${report.snapshotsRemoved} snapshots and ${report.filesRemoved} files (${report.bytesRemoved} bytes); oldest readable snapshot: ${report.oldestSnapshot ?? "none"}${report.pinned.length === 0 ? "" : `; pinned: ${report.pinned.join(", ")}`}.`,
        );
        return EXIT.ok;
      },
      { mustExist: true },
    ),
};
