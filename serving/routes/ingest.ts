import type { Hono } from "hono";
import { LakeError } from "#kernel";
import type { SnapshotReader } from "#query";
import type { ServingContext, ServingDependencies, ServingEnv } from "../context.js";
import { checkParameters } from "../http/question.js";
import { prettyJson, snapshotHeaders } from "./send.js";

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

/** One source as `/freshness` shows it. */
function describeSource(
  name: string,
  state: Partial<NonNullable<SnapshotReader["sources"]>[string]>,
  dependencies: ServingDependencies,
): Record<string, unknown> {
  const marks = Object.values(state.watermarks ?? {}).sort((a, b) => Date.parse(a) - Date.parse(b));
  const upTo = marks[0] ?? null;
  const targetMs = dependencies.stalenessTargets[name];
  const ageMs = upTo === null ? null : dependencies.clock.now().getTime() - Date.parse(upTo);
  return {
    name,
    upTo,
    ageSeconds: ageMs === null ? null : Math.max(0, Math.round(ageMs / 1000)),
    targetSeconds: targetMs === undefined ? null : Math.round(targetMs / 1000),
    stale: targetMs === undefined ? null : ageMs === null || ageMs > targetMs,
    watermarks: state.watermarks ?? {},
    deletesVerified: state.deletesVerified ?? null,
    deletesVerifiedAt: state.deletesVerifiedAt ?? null,
    completeness: state.completeness ?? null,
    lastRun: state.run ?? null,
    live: liveState(dependencies, name),
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
    const states = dependencies.liveStates?.sourceStates() ?? [];
    // A source may send before any run of it has been committed.
    const unrun = Object.fromEntries(states.map(({ source }) => [source, {}]));
    const sources = Object.entries({ ...unrun, ...snapshot.sources }).sort(([a], [b]) => (a < b ? -1 : 1));
    const body = {
      snapshot: snapshot.id,
      asOf: snapshot.committedAt,
      deletesVerified: snapshot.deletesVerified !== false,
      published:
        published === undefined
          ? null
          : { ...published, behind: Math.max(0, snapshot.id - published.snapshot) },
      sources: sources.map(([name, state]) => describeSource(name, state, dependencies)),
    };
    return json(body, snapshotHeaders(snapshot));
  } finally {
    snapshot.release();
  }
}

/** How fresh and how complete the lake is, and the runs that made it so. */
export function ingestRoutes(app: Hono<ServingEnv>, dependencies: ServingDependencies): void {
  app.get("/freshness", async (context) => await freshness(context, dependencies));
  app.get("/ingest/runs", async (context) => await listRuns(context, dependencies));
  app.get(
    "/ingest/runs/:id",
    async (context) => await showRun(context, dependencies, context.req.param("id")),
  );
}
