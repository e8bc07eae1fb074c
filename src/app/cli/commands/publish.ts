import {
  cleanPublished,
  DEFAULT_RETENTION_MS,
  defaultTarget,
  dropPublished,
  type PublishReport,
  type PublishTarget,
  publishDelta,
  publishStatus,
} from "#delta";
import type { Lake } from "#lake";
import { openStore } from "#storage";
import type { Command, Invocation } from "../command.js";
import { EXIT } from "../exit-code.js";
import { withLake } from "../open-lake.js";
import { parseDuration, textOption } from "../option-value.js";
import type { Output } from "../output.js";

function report(output: Output, done: PublishReport): void {
  output.document(done);
  const changed = done.tables.filter((table) => table.outcome !== "unchanged");
  if (changed.length > 0) {
    output.table(
      ["table", "version", "rows", "files added", "of these linked", "files removed", "ms"],
      changed.map((t) => [t.name, t.version, t.rows, t.filesAdded, t.filesLinked, t.filesRemoved, t.wallMs]),
    );
  }
  output.line(
    `Snapshot ${done.snapshot} (${done.committedAt}) is published: ${changed.length} of ${done.tables.length} tables changed.`,
  );
}

async function showStatus(output: Output, lake: Lake, target: PublishTarget): Promise<void> {
  const status = await publishStatus(lake, target);
  output.document(status);
  output.table(
    ["table", "snapshot", "version", "rows", ""],
    status.tables.map((t) => [
      t.name,
      t.snapshot ?? "-",
      t.version ?? "-",
      t.rows ?? "-",
      t.inLake ? "" : "no longer in the lake, or its view is not ready",
    ]),
  );
  output.line(
    status.published === undefined
      ? `Nothing is published yet; the lake is at snapshot ${status.head}.`
      : `Published is snapshot ${status.published}, the lake is at ${status.head}: ${status.lagSnapshots} behind.`,
  );
}

async function clean(invocation: Invocation, lake: Lake, target: PublishTarget): Promise<void> {
  const { output, values } = invocation;
  const retention = textOption(values, "retention");
  const dryRun = values["dry-run"] === true;
  const done = await cleanPublished(lake, target, {
    retentionMs: retention === undefined ? DEFAULT_RETENTION_MS : parseDuration(retention, "retention"),
    dryRun,
  });
  output.document({ ...done, dryRun });
  output.line(
    `${dryRun ? "Would remove" : "Removed"} ${done.filesRemoved} data files (${done.bytesRemoved} bytes) and ${done.logFilesRemoved} log files of ${done.tables} published tables.`,
  );
}

async function publish(invocation: Invocation, lake: Lake, target: PublishTarget): Promise<void> {
  const { output, values } = invocation;
  const tables = textOption(values, "tables")
    ?.split(",")
    .filter((name) => name !== "");
  const retention = textOption(values, "retention");
  const abort = new AbortController();
  const onInterrupt = (): void => abort.abort();
  process.once("SIGINT", onInterrupt);
  const progress = output.progress("publish");
  try {
    if (values["rebuild"] === true) await dropPublished(target, tables);
    const done = await publishDelta(lake, {
      ...(tables === undefined ? {} : { tables }),
      target,
      raw: values["raw"] === true,
      ...(retention === undefined ? {} : { retentionMs: parseDuration(retention, "retention") }),
      onProgress: (table, at, total) => progress.update(at, total, table),
      signal: abort.signal,
    });
    progress.stop();
    report(output, done);
  } finally {
    progress.stop();
    process.off("SIGINT", onInterrupt);
  }
}

async function run(invocation: Invocation): Promise<number> {
  const { output, values } = invocation;
  const to = textOption(values, "to");
  return withLake(
    invocation,
    async (lake) => {
      const store = to === undefined ? undefined : await openStore(to);
      const target = store === undefined ? defaultTarget(lake.store) : { store, prefix: "" };
      try {
        if (values["status"] === true) await showStatus(output, lake, target);
        else if (values["clean"] === true) await clean(invocation, lake, target);
        else await publish(invocation, lake, target);
      } finally {
        await store?.close();
      }
      return EXIT.ok;
    },
    { mustExist: true },
  );
}

/** `fhir-lake publish` */
export const publishCommand: Command = {
  name: ["publish"],
  summary: "Publish the newest snapshot as Delta Lake tables for other engines",
  usage:
    "[--tables NAME,…] [--to LOCATION] [--raw] [--retention 7d] [--status | --clean [--dry-run] | --rebuild]",
  help: [
    "--tables NAME,…  resources, views, resources/<Type>, views/<name> (default all)",
    "--to LOCATION    a folder or s3://bucket/prefix (default: the lake's folder published/)",
    "--raw            publish the exact source text of resources too, as column raw",
    "--retention 7d   how long files that left a table stay for readers of earlier versions",
    "--status         show which snapshot is published and how far that is behind",
    "--clean          remove files older than the retention that no version needs (with --dry-run: only say which)",
    "--rebuild        remove the tables and publish them anew from version 0, so that no trace of earlier versions stays",
  ],
  options: {
    tables: { type: "string" },
    to: { type: "string" },
    raw: { type: "boolean" },
    retention: { type: "string" },
    status: { type: "boolean" },
    clean: { type: "boolean" },
    "dry-run": { type: "boolean" },
    rebuild: { type: "boolean" },
  },
  positionals: [0, 0],
  run,
};
