import type { Freshness, HotCopiesState } from "#query";
import type { RunRecord } from "#runs";
import type { DeadLetterCount, ServingDependencies, SpeedState } from "../context.js";
import { freshnessNow } from "../http/freshness.js";
import type { Job } from "../jobs/job.js";
import type { Measured } from "./metrics.js";

/** Runs that are looked at for the newest of each source. */
const LOOKED_AT = 100;

const states = ["ok", "stale", "incomplete", "degraded"] as const;

function ofFreshness(
  { snapshot, asOf, epoch, lagSeconds, state, ...rest }: Freshness,
  now: Date,
): Measured[] {
  const age = (now.getTime() - Date.parse(asOf)) / 1000;
  return [
    { name: "snapshot_id", help: "Number of the newest snapshot.", value: snapshot },
    { name: "snapshot_age_seconds", help: "Time since the newest snapshot was committed.", value: age },
    ...(epoch === null
      ? []
      : [{ name: "epoch", help: "Journal position up to which answers hold live changes.", value: epoch }]),
    ...(lagSeconds === null
      ? []
      : [
          {
            name: "lag_seconds",
            help: "Every change acknowledged longer ago is in answers.",
            value: lagSeconds,
          },
        ]),
    ...states.map((one) => ({
      name: "state",
      help: "1 for the state that answers name in X-Lake-State.",
      value: one === state ? 1 : 0,
      labels: { state: one },
    })),
    {
      name: "deletes_verified",
      help: "1 when all sources could tell what was deleted.",
      value: rest.deletesVerified ? 1 : 0,
    },
    ...rest.sources.flatMap(ofSource),
  ];
}

function ofSource({ name, state, ageSeconds, stale }: Freshness["sources"][number]): Measured[] {
  const labels = { source: name };
  const age = { name: "source_age_seconds", help: "Age of what is held of a source.", labels };
  const late = { name: "source_stale", help: "1 when a source is older than its target.", labels };
  const told = { name: "source_state", help: "1 for the present state of a source." };
  return [
    ...(ageSeconds === null ? [] : [{ ...age, value: ageSeconds }]),
    ...(stale === null ? [] : [{ ...late, value: stale ? 1 : 0 }]),
    { ...told, value: 1, labels: { source: name, state } },
  ];
}

/** The newest run of each source, and how many of those looked at ended how. */
function ofRuns(runs: readonly RunRecord[]): Measured[] {
  const newest = new Map<string, RunRecord>();
  const counts = new Map<string, Measured>();
  for (const run of runs) {
    if (!newest.has(run.source)) newest.set(run.source, run);
    const key = JSON.stringify([run.source, run.state]);
    counts.set(key, {
      name: "recent_runs",
      help: `Runs by source and outcome, among the newest ${LOOKED_AT}.`,
      value: (counts.get(key)?.value ?? 0) + 1,
      labels: { source: run.source, state: run.state },
    });
  }
  const last = [...newest.values()].map((run) => ({
    name: "last_run_timestamp_seconds",
    help: "When the newest run of a source ended, or began if it has not ended.",
    value: Date.parse(run.finishedAt ?? run.startedAt) / 1000,
    labels: { source: run.source, state: run.state },
  }));
  return [...counts.values(), ...last];
}

function ofSpeed({ liveResources, position, head }: SpeedState): Measured[] {
  return [
    {
      name: "live_resources",
      help: "Resources with a version that no snapshot covers.",
      value: liveResources,
    },
    { name: "journal_head", help: "Position of the last change in the journal.", value: head },
    {
      name: "journal_unread",
      help: "Changes in the journal that answers do not hold yet.",
      value: Math.max(0, head - position),
    },
  ];
}

function ofDeadLetter({ source, code, count }: DeadLetterCount): Measured {
  return {
    name: "dead_letters_total",
    help: "Notifications that could not be used and were kept as dead letters, by source and reason.",
    kind: "counter",
    value: count,
    labels: { source, code },
  };
}

function ofCopies({ copies, bytes }: HotCopiesState): Measured[] {
  return [
    {
      name: "hot_copies",
      help: "Copies of parts of views that are asked for again and again.",
      value: copies,
    },
    { name: "hot_copy_bytes", help: "What these copies take of the disk.", value: bytes },
  ];
}

function ofJobs(jobs: readonly Job[]): Measured[] {
  return (["queued", "running", "done", "failed", "gone"] as const).map((state) => ({
    name: "jobs",
    help: "Jobs that are remembered, by state; queued ones wait for their turn.",
    value: jobs.filter((job) => job.state === state).length,
    labels: { state },
  }));
}

/** Looks up what metrics say of the lake. What cannot be had, such as a state of an empty lake, is left out; `up` says so. */
export async function measure(dependencies: ServingDependencies): Promise<Measured[]> {
  const { query, runs, jobs, speed, deadLetters, hotCopies, clock } = dependencies;
  const freshness = await query
    .snapshot()
    .then((snapshot) => {
      const now = freshnessNow(snapshot, dependencies);
      snapshot.release();
      return now;
    })
    .catch(() => undefined);
  const held = await speed?.();
  return [
    {
      name: "up",
      help: "1 when the newest snapshot can be opened.",
      value: freshness === undefined ? 0 : 1,
    },
    ...(freshness === undefined ? [] : ofFreshness(freshness, clock.now())),
    ...(held === undefined ? [] : ofSpeed(held)),
    ...(deadLetters?.() ?? []).map(ofDeadLetter),
    ...(hotCopies === undefined ? [] : ofCopies(hotCopies())),
    ...(jobs === undefined ? [] : ofJobs(await jobs.all())),
    ...ofRuns((await runs?.list({ limit: LOOKED_AT })) ?? []),
  ];
}
