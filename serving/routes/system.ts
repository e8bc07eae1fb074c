import type { ServingContext, ServingDependencies } from "../context.js";
import { styleSheet } from "../html/page.js";
import { indexPage } from "../html/view-page.js";
import { entityTag } from "../http/conditional.js";
import { checkParameters } from "../http/question.js";
import type { RouteTable } from "../http/routes.js";
import { notModified, prettyJson } from "./send.js";

function noParameters(context: ServingContext): void {
  checkParameters(new URL(context.req.url).searchParams, []);
}

function fixed(context: ServingContext, release: string, contentType: string, body: string): Response {
  noParameters(context);
  const headers = {
    "Content-Type": contentType,
    "Cache-Control": "no-cache",
    ETag: entityTag(release, body),
  };
  return notModified(context, headers) ?? new Response(body, { headers });
}

/**
 * Proves that a question can be answered: the newest snapshot opens, and the engine reads the files of a view.
 * Fails as any read would.
 */
async function checkReady(dependencies: ServingDependencies): Promise<{ snapshot: number; asOf: string }> {
  const snapshot = await dependencies.query.snapshot();
  try {
    const view = [...snapshot.views.values()].find((candidate) => candidate.state === "ready");
    if (view !== undefined) {
      const read = await dependencies.query.readView({ view: view.name, limit: 0, snapshot: snapshot.id });
      try {
        await read.texts();
      } finally {
        read.release();
      }
    }
    return { snapshot: snapshot.id, asOf: snapshot.committedAt };
  } finally {
    snapshot.release();
  }
}

const uncached = { "Content-Type": "application/json", "Cache-Control": "no-store" };

/** The front page, the style sheet, the snapshots, and what an orchestrator asks. */
export function systemRoutes(table: RouteTable, dependencies: ServingDependencies): void {
  const { release, catalog, clock } = dependencies;
  table.add({ method: "GET", path: "/", permission: "public", summary: "The front page" }, (context) =>
    fixed(context, release, "text/html; charset=utf-8", indexPage()),
  );
  table.add(
    { method: "GET", path: "/style.css", permission: "public", summary: "The style sheet" },
    (context) => fixed(context, release, "text/css; charset=utf-8", styleSheet),
  );
  table.add(
    { method: "GET", path: "/healthz", permission: "public", summary: "Whether the process is alive" },
    (context) => {
      noParameters(context);
      return new Response(prettyJson({ status: "ok", now: clock.now().toISOString() }), {
        headers: uncached,
      });
    },
  );
  table.add(
    { method: "GET", path: "/readyz", permission: "public", summary: "Whether questions can be answered" },
    async (context) => {
      noParameters(context);
      const ready = await dependencies.asServer(() => checkReady(dependencies));
      return new Response(prettyJson({ status: "ready", ...ready }), { headers: uncached });
    },
  );
  table.add(
    {
      method: "GET",
      path: "/snapshots",
      permission: "metadata.read",
      summary: "The snapshots that can be read",
    },
    async (context) => {
      noParameters(context);
      const snapshots = await catalog.snapshots();
      const body = prettyJson({
        snapshots: snapshots.map(({ id, committedAt }) => ({ id, asOf: committedAt })),
      });
      return new Response(body, { headers: { ...uncached, "Cache-Control": "private, no-cache" } });
    },
  );
}
