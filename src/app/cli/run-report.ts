import type { RunRecord } from "#runs";
import type { RunOutcome } from "../source-run/run-source.js";
import { EXIT, exitCodeOf } from "./exit-code.js";
import type { Output } from "./output.js";

/** What is known about references, in a sentence. */
export function referencesText({ targets, unresolved }: NonNullable<RunRecord["references"]>): string {
  const missing = Object.entries(unresolved).map(([type, count]) => `${type} ${count}`);
  const found = missing.length === 0 ? "all of them in the lake" : `not in the lake: ${missing.join(", ")}`;
  return `References to ${targets} resources, ${found}.`;
}

function text(value: string | null): string {
  return value ?? "";
}

/** Prints what a run did, per type and in total. */
export function reportRun(output: Output, record: RunRecord): void {
  output.document(record);
  const rows = Object.entries(record.types).map(([type, t]) => [
    type,
    text(t.since),
    t.fetched,
    t.stored,
    t.deleted,
    t.superseded,
    t.unchanged,
    t.quarantined,
  ]);
  if (rows.length > 0) {
    output.table(
      ["type", "since", "fetched", "stored", "of these deletes", "superseded", "unchanged", "quarantined"],
      rows,
    );
  }
  const snapshot = record.snapshot === null ? "no snapshot with data" : `snapshot ${record.snapshot}`;
  output.line(`Run ${record.runId} of ${record.source}: ${record.state}, ${snapshot}.`);
  if (record.references !== undefined) output.line(referencesText(record.references));
  for (const [type, { error }] of Object.entries(record.types)) {
    if (error !== null) output.note(`warning: ${type}: ${error}`);
  }
  for (const warning of record.warnings) output.note(`warning: ${warning}`);
}

/** The exit code for a run that ended. */
export function runExitCode({ record, error }: RunOutcome): number {
  if (record.state === "interrupted") return EXIT.interrupted;
  if (error !== undefined) return exitCodeOf(error.kind);
  const refused = Object.values(record.types).some((type) => type.quarantined > 0);
  return record.state === "succeeded" && !refused ? EXIT.ok : EXIT.incomplete;
}
