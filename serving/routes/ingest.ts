import { LakeError } from "#kernel";
import type { Freshness, SnapshotReader } from "#query";
import type { ServingContext, ServingDependencies } from "../context.js";
import { freshnessNow } from "../http/freshness.js";
import { checkParameters } from "../http/question.js";
import { pathParameter, type RouteTable } from "../http/routes.js";
import { answerHeaders, prettyJson } from "./send.js";

const MOST_RUNS = 1000;

function parameters(context: ServingContext, allowed: readonly string[]): URLSearchParams {
  const given = new URL(context.req.url).searchParams;
  checkParameters(given, allowed);
  return given;
}

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
  const given = parameters(context, ["source", "limit"]);
  const source = given.get("source");
  const limit = limitOf(given.get("limit"));
  const found = await runs?.list({ limit, ...(source === null ? {} : { source }) });
  return json({ runs: found ?? [] });
}

async function showRun(
  context: ServingContext,
  { runs }: ServingDependencies,
  id: string,
): Promise<Response> {
  parameters(context, []);
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

async function freshness(context: ServingContext, dependencies: ServingDependencies): Promise<Response> {
  parameters(context, []);
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

/** How fresh and how complete the lake is, and the runs that made it so. */
export function ingestRoutes(table: RouteTable, dependencies: ServingDependencies): void {
  table.add(
    {
      method: "GET",
      path: "/freshness",
      permission: "metadata.read",
      summary: "How fresh and how complete the lake is",
    },
    async (context) => await freshness(context, dependencies),
  );
  table.add(
    { method: "GET", path: "/ingest/runs", permission: "operations.read", summary: "The runs of sources" },
    async (context) => await listRuns(context, dependencies),
  );
  table.add(
    { method: "GET", path: "/ingest/runs/:id", permission: "operations.read", summary: "One run" },
    async (context) => await showRun(context, dependencies, pathParameter(context, "id")),
  );
}
