import type { SystemRow, SystemView } from "#query";
import type { Ledger, RunRecord } from "#runs";

const MOST_RUNS = 1000;

function column(name: string, sqlType: string, description: string): SystemView["columns"][number] {
  return { name, path: "", fhirType: undefined, sqlType, collection: false, description };
}

const RUN_COLUMNS = [
  column("run_id", "VARCHAR", "Sorts by the time of the start."),
  column("source", "VARCHAR", "Name of the source."),
  column("type", "VARCHAR", "Resource type; NULL for a run that came to none."),
  column("since", "TIMESTAMP WITH TIME ZONE", "Changes were asked for from here; NULL for everything."),
  column("transaction_time", "TIMESTAMP WITH TIME ZONE", "The server's time up to which the answer holds."),
  column("fetched", "BIGINT", "Resources and deletes that came."),
  column("stored", "BIGINT", "Of these, new versions, deletes among them."),
  column("deleted", "BIGINT", "Of the stored, deletes."),
  column("quarantined", "BIGINT", "Of the fetched, refused."),
  column("error", "VARCHAR", "Why the type, or else the run, failed; NULL when it did not."),
  column("state", "VARCHAR", "running, succeeded, incomplete, failed or interrupted."),
  column("started_at", "TIMESTAMP WITH TIME ZONE", "When the run began."),
  column("finished_at", "TIMESTAMP WITH TIME ZONE", "When it ended."),
];

function rowsOf(run: RunRecord): SystemRow[] {
  const failure = run.error === null ? null : `${run.error.code}: ${run.error.message}`;
  const common = {
    run_id: run.runId,
    source: run.source,
    state: run.state,
    started_at: run.startedAt,
    finished_at: run.finishedAt,
  };
  const types = Object.entries(run.types);
  if (types.length === 0) {
    const none = { type: null, since: null, transaction_time: null };
    return [{ ...common, ...none, fetched: 0, stored: 0, deleted: 0, quarantined: 0, error: failure }];
  }
  return types.map(([type, t]) => ({
    ...common,
    type,
    since: t.since,
    transaction_time: t.transactionTime,
    fetched: t.fetched,
    stored: t.stored,
    deleted: t.deleted,
    quarantined: t.quarantined,
    error: t.error ?? failure,
  }));
}

/** The view `lake_runs`: the newest 1,000 runs of sources, one row per resource type, newest first. */
export function runsView(ledger: Pick<Ledger, "list">): SystemView {
  return {
    name: "lake_runs",
    description: "Runs that brought sources into the lake, one row per resource type; always as of now.",
    columns: RUN_COLUMNS,
    rows: async () => (await ledger.list({ limit: MOST_RUNS })).flatMap(rowsOf),
  };
}
