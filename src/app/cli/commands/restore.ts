import { LakeError } from "#kernel";
import {
  planRestore,
  type RestoreBackupReport,
  repairFromBackup,
  restoreBackup,
  restoreSnapshot,
} from "#lake";
import { journalPlace } from "../../journal-files.js";
import type { Command, Invocation } from "../command.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";
import { lakeLocation, parseCount, textOption } from "../option-value.js";
import { withTarget } from "./backup.js";

async function toSnapshot(invocation: Invocation, id: number): Promise<number> {
  const { output, values } = invocation;
  return withLake(
    invocation,
    async (lake) => {
      const plan = await planRestore(lake, id);
      const dryRun = values["dry-run"] === true;
      const made = dryRun ? undefined : await restoreSnapshot(lake, id);
      output.document({ ...plan, restoredAs: made?.id ?? null, dryRun });
      output.table(
        ["type", "resources now", `in snapshot ${id}`],
        Object.entries(plan.tables).map(([type, { now, restored }]) => [type, now, restored]),
      );
      for (const source of plan.sources) {
        output.line(`The source '${source}' will be read again from its watermark of then.`);
      }
      if (dryRun) output.line(`Nothing was changed; the newest snapshot is ${plan.head}.`);
      else if (made === undefined) output.line(`Snapshot ${id} is the newest already.`);
      else output.line(`The state of snapshot ${id} is the newest again, as snapshot ${made.id}.`);
      return EXIT.ok;
    },
    { mustExist: true },
  );
}

function reportRestore({ output }: Invocation, report: RestoreBackupReport): number {
  output.document(report);
  output.line(
    `Backup ${report.generation} of ${report.createdAt}: ${report.objects} objects (${report.bytes} bytes) restored and checked, snapshots ${report.snapshots[0] ?? "none"} to ${report.snapshots.at(-1) ?? "none"}${report.extras.length === 0 ? "" : `, with ${report.extras.join(", ")}`}.`,
  );
  for (const key of report.lost) output.line(`LOST ${key}`);
  if (report.lostSnapshots.length > 0) output.line(`LOST snapshots ${report.lostSnapshots.join(", ")}`);
  return report.lost.length === 0 ? EXIT.ok : EXIT.incomplete;
}

async function fromBackup(invocation: Invocation, from: string): Promise<number> {
  const { output, values, environment } = invocation;
  const generation = textOption(values, "generation");
  return withTarget(from, environment, (target) =>
    withTarget(lakeLocation(invocation), environment, async (lake) => {
      if (values["repair"] === true) {
        const report = await repairFromBackup(target, lake);
        output.document(report);
        for (const key of report.mended) output.line(`mended ${key}`);
        for (const key of report.lost) output.line(`LOST ${key}`);
        output.line(
          `${report.mended.length} objects mended from backup ${report.generation}; run fhir-lake verify.`,
        );
        return report.lost.length === 0 ? EXIT.ok : EXIT.corruptData;
      }
      const progress = output.progress("restore");
      try {
        const report = await restoreBackup(target, lake, {
          ...(generation === undefined ? {} : { generation: parseCount(generation, "generation", 1) }),
          acceptLoss: values["accept-loss"] === true,
          extraTo: (name) => journalPlace(lakeLocation(invocation), name, environment),
          onProgress: (done, total) => progress.update(done, total),
        });
        progress.stop();
        return reportRestore(invocation, report);
      } finally {
        progress.stop();
      }
    }),
  );
}

async function run(invocation: Invocation): Promise<number> {
  const { values } = invocation;
  const [snapshot, from] = [textOption(values, "snapshot"), textOption(values, "from")];
  if (snapshot !== undefined && from === undefined) {
    return toSnapshot(invocation, parseCount(snapshot, "snapshot", 1));
  }
  if (from !== undefined && snapshot === undefined) return fromBackup(invocation, from);
  throw new LakeError(
    "invalid-input",
    "cli/missing-option",
    "restore takes either --snapshot N (an older state of this lake) or --from <backup> (into an empty place).",
  );
}

/** `fhir-lake restore` */
export const restoreCommand: Command = {
  name: ["restore"],
  summary: "Make an older snapshot's state the newest, or bring a lake back from a backup",
  usage: "--snapshot N [--dry-run] | --from <backup> [--generation N] [--accept-loss | --repair]",
  help: [
    "--snapshot N     the state of that snapshot becomes the newest by a new commit; nothing is removed",
    "--dry-run        only say what that would change",
    "--from PLACE     a backup's folder or s3:// place; the lake's own place must be empty",
    "--generation N   that backup instead of the newest (fhir-lake backup <place> --list)",
    "--accept-loss    restore what is whole of a damaged backup and name the rest",
    "--repair         bring back only what is missing or damaged in this lake",
  ],
  options: {
    snapshot: { type: "string" },
    "dry-run": { type: "boolean" },
    from: { type: "string" },
    generation: { type: "string" },
    "accept-loss": { type: "boolean" },
    repair: { type: "boolean" },
  },
  positionals: [0, 0],
  run,
};
