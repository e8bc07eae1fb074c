import { LakeError } from "#kernel";
import type { Freshness, SnapshotReader } from "#query";
import type { ServingContext, ServingDependencies } from "../context.js";
import { anything, instant, jsonAnswer, list, object, orNull, text, truth, whole } from "../http/describe.js";
import { freshnessNow } from "../http/freshness.js";
import { pathParameter, type RouteTable } from "../http/routes.js";
import { answerHeaders, prettyJson } from "./send.js";

const MOST_RUNS = 1000;

function json(value: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(prettyJson(value), {
    headers: { ...headers, "Content-Type": "application/json", "Cache-Control": "no-store" },
  });
}

function limitOf(text: string | null): number {
  const limit = text === null ? 100 : /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= MOST_RUNS) return limit;
  throw new LakeError(
    "invalid-input",
    "serving/bad-limit",
    `limit is a whole number from 1 to ${MOST_RUNS}.`,
  );
}

async function listRuns(context: ServingContext, { runs }: ServingDependencies): Promise<Response> {
  const given = new URL(context.req.url).searchParams;
  const source = given.get("source");
  const limit = limitOf(given.get("limit"));
  const found = await runs?.list({ limit, ...(source === null ? {} : { source }) });
  return json({ runs: found ?? [] });
}

async function showRun({ runs }: ServingDependencies, id: string): Promise<Response> {
  if (runs === undefined) throw new LakeError("not-found", "runs/no-such-run", "No runs are kept here.");
  return json(await runs.get(id));
}

/** One source as `/freshness` shows it: its freshness, and what the snapshot knows beside. */
function describeSource(
  freshness: Freshness["sources"][number],
  state: NonNullable<SnapshotReader["sources"]>[string] | undefined,
  dependencies: ServingDependencies,
): Record<string, unknown> {
  return {
    ...freshness,
    watermarks: state?.watermarks ?? {},
    deletesVerifiedAt: state?.deletesVerifiedAt ?? null,
    completeness: state?.completeness ?? null,
    journalPosition: state?.journalPosition ?? null,
    lastRun: state?.run ?? null,
    live: liveState(dependencies, freshness.name),
  };
}

/** How a source's changes arrive between runs; null for a server that follows none. */
function liveState({ liveStates }: ServingDependencies, name: string): Record<string, unknown> | null {
  if (liveStates === undefined) return null;
  const found = liveStates.sourceStates().find(({ source }) => source === name);
  return { state: found?.state ?? "off", since: found?.since ?? null, reason: found?.reason ?? null };
}

async function freshness(dependencies: ServingDependencies): Promise<Response> {
  const snapshot = await dependencies.query.snapshot();
  try {
    const published = await dependencies.published();
    const now = freshnessNow(snapshot, dependencies);
    const body = {
      ...now,
      published:
        published === undefined
          ? null
          : { ...published, behind: Math.max(0, snapshot.id - published.snapshot) },
      selfCheck: dependencies.selfCheck() ?? null,
      sources: now.sources.map((source) =>
        describeSource(source, snapshot.sources?.[source.name], dependencies),
      ),
    };
    return json(body, answerHeaders(now));
  } finally {
    snapshot.release();
  }
}

const sourceSchema = object({
  name: text("Name of the source."),
  state: text("`live`, `catching-up`, `gap`, `error`, `off`, `stale` or `batch`."),
  upTo: orNull(instant("The server's time up to which every type was read by runs.")),
  ageSeconds: orNull(whole("Seconds since then; 0 while every change is sent here.")),
  targetSeconds: orNull(whole("Older data are stale.")),
  stale: orNull(truth("Whether they are; null without a target.")),
  deletesVerified: orNull(truth("False when deletes may be missing; null when nobody looked.")),
  watermarks: anything("By resource type, the time up to which it was read."),
  lastRun: orNull(text("The last run that brought something.")),
  live: anything("How its changes arrive between runs; null where none do."),
});

const freshnessSchema = object({
  snapshot: whole("The newest snapshot."),
  asOf: instant("When it was committed."),
  epoch: orNull(whole("Position in the journal up to which live changes are read.")),
  lagSeconds: orNull(whole("Every change acknowledged longer ago is in answers.")),
  state: text("`ok`, `stale`, `incomplete` or `degraded`: the worst of all sources."),
  reasons: list(text("A reason."), "Why it is not `ok`."),
  deletesVerified: truth("False when some source cannot tell about all deletes."),
  published: anything("The snapshot that published tables hold; null where none are published."),
  selfCheck: anything("The last comparison of merged reads with themselves; null where there was none."),
  sources: list(sourceSchema),
});

const runSchema = object({
  runId: text("Id of the run."),
  source: text("Name of its source."),
  state: text("`running`, `succeeded`, `incomplete`, `failed` or `interrupted`."),
  startedAt: instant("When it began."),
  finishedAt: orNull(instant("When it ended.")),
  snapshot: orNull(whole("The snapshot with its data.")),
  types: anything("Counts by resource type."),
});

/** How fresh and how complete the lake is, and the runs that made it so. */
export function ingestRoutes(table: RouteTable, dependencies: ServingDependencies): void {
  table.add(
    {
      method: "GET",
      path: "/freshness",
      permission: "metadata.read",
      summary: "How fresh and how complete the lake is",
      query: [],
      answer: jsonAnswer("The lake's freshness, and that of each source.", freshnessSchema, { fresh: true }),
    },
    async () => await freshness(dependencies),
  );
  table.add(
    {
      method: "GET",
      path: "/ingest/runs",
      permission: "operations.read",
      summary: "The runs of sources",
      query: [
        { name: "source", description: "Only runs of this source.", schema: { type: "string" } },
        {
          name: "limit",
          description: "At most so many.",
          schema: { type: "integer", minimum: 1, maximum: MOST_RUNS, default: 100 },
        },
      ],
      answer: jsonAnswer("The newest runs.", object({ runs: list(runSchema) })),
    },
    async (context) => await listRuns(context, dependencies),
  );
  table.add(
    {
      method: "GET",
      path: "/ingest/runs/:id",
      permission: "operations.read",
      summary: "One run",
      params: { id: "Id of the run." },
      query: [],
      answer: jsonAnswer("What the run did.", runSchema),
    },
    async (context) => await showRun(dependencies, pathParameter(context, "id")),
  );
}
