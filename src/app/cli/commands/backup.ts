import path from "node:path";
import { backUp, generations, pruneBackups, readGeneration } from "#lake";
import { isRemote, type ObjectStore, openStore } from "#storage";
import { journalCopies } from "../../journal-files.js";
import type { Command, Invocation } from "../command.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";
import { parseCount, textOption } from "../option-value.js";

/** Opens the place of backups, runs `work`, and closes it. `s3://bucket/prefix` or a folder. */
export async function withTarget<T>(
  location: string,
  environment: NodeJS.ProcessEnv,
  work: (target: ObjectStore) => Promise<T>,
): Promise<T> {
  const target = await openStore(isRemote(location) ? location : path.resolve(location), environment);
  try {
    return await work(target);
  } finally {
    await target.close();
  }
}

async function list({ output, positionals, environment }: Invocation): Promise<number> {
  return withTarget(positionals[0]!, environment, async (target) => {
    const found = [];
    for (const sequence of await generations(target)) {
      const { createdAt, snapshots, objects, extras } = await readGeneration(target, sequence);
      found.push({
        generation: sequence,
        createdAt,
        newest: snapshots.at(-1)?.id ?? 0,
        snapshots: snapshots.length,
        objects: objects.length,
        bytes: objects.reduce((sum, object) => sum + object.sizeBytes, 0),
        extras: extras.map((extra) => extra.name),
      });
    }
    output.document(found);
    output.table(
      ["backup", "made at", "newest snapshot", "snapshots", "bytes", "with"],
      found.map((f) => [f.generation, f.createdAt, f.newest, f.snapshots, f.bytes, f.extras.join(", ")]),
    );
    return EXIT.ok;
  });
}

async function run(invocation: Invocation): Promise<number> {
  const { output, positionals, values, environment } = invocation;
  if (values["list"] === true) return list(invocation);
  const keep = textOption(values, "keep");
  const kept = keep === undefined ? undefined : parseCount(keep, "keep", 1);
  return withLake(
    invocation,
    (lake) =>
      withTarget(positionals[0]!, environment, async (target) => {
        const progress = output.progress("backup");
        const journal = await journalCopies(lake, environment);
        try {
          const report = await backUp(lake, target, {
            newestOnly: values["newest"] === true,
            extras: journal.take,
            onProgress: (done, total) => progress.update(done, total),
          });
          progress.stop();
          const pruned = kept === undefined ? undefined : await pruneBackups(target, kept);
          output.document({ ...report, ...(pruned === undefined ? {} : { pruned }) });
          output.line(
            `Backup ${report.generation}: snapshots ${report.snapshots[0]} to ${report.snapshots.at(-1)}, ${report.objects} objects (${report.bytes} bytes); ${report.copiedObjects} were copied and read back (${report.copiedBytes} bytes)${report.extras.length === 0 ? "" : `; with ${report.extras.join(", ")}`}.`,
          );
          if (pruned !== undefined) {
            output.line(
              `Removed ${pruned.generationsRemoved.length} older backups and ${pruned.objectsRemoved} objects.`,
            );
          }
          return EXIT.ok;
        } finally {
          progress.stop();
          await journal.discard();
        }
      }),
    { mustExist: true },
  );
}

/** `fhir-lake backup` */
export const backupCommand: Command = {
  name: ["backup"],
  summary: "Copy what a folder or s3:// place lacks of the lake and its journal, checked after copying",
  usage: "<folder or s3://bucket/prefix> [--newest] [--keep N] [--list]",
  help: [
    "--newest   only the newest snapshot (default: all that are kept)",
    "--keep N   then remove all but the newest N backups of that place",
    "--list     only show the backups there",
  ],
  options: { newest: { type: "boolean" }, keep: { type: "string" }, list: { type: "boolean" } },
  positionals: [1, 1],
  run,
};
