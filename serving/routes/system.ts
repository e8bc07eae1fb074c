import type { ServingDependencies } from "../context.js";
import { frontPage } from "../html/front-page.js";
import { styleSheet } from "../html/page.js";
import { instant, jsonAnswer, list, object, text, textAnswer, whole } from "../http/describe.js";
import type { RouteTable } from "../http/routes.js";
import { measure } from "../observe/measure.js";
import { fixed, prettyJson } from "./send.js";

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

/** What monitoring asks for again and again. */
function metricsRoute(table: RouteTable, dependencies: ServingDependencies): void {
  const { metrics } = dependencies;
  table.add(
    {
      method: "GET",
      path: "/metrics",
      permission: "operations.read",
      summary: "What the server counts about itself",
      query: [],
      answer: textAnswer("Metrics in the text format of Prometheus.", "text/plain"),
    },
    async () =>
      new Response(await metrics.text(await dependencies.asServer(() => measure(dependencies))), {
        headers: { "Content-Type": metrics.contentType, "Cache-Control": "no-store" },
      }),
  );
}

const snapshotsSchema = object({
  snapshots: list(object({ id: whole("Number of the snapshot."), asOf: instant("When it was committed.") })),
});

/** The front page, the style sheet, the snapshots, and what an orchestrator asks. */
export function systemRoutes(table: RouteTable, dependencies: ServingDependencies): void {
  const { release, catalog, clock } = dependencies;
  metricsRoute(table, dependencies);
  table.add(
    {
      method: "GET",
      path: "/",
      permission: "public",
      summary: "The front page",
      query: [],
      answer: textAnswer("A page with links.", "text/html"),
    },
    (context) => fixed(context, release, "text/html; charset=utf-8", frontPage()),
  );
  table.add(
    {
      method: "GET",
      path: "/style.css",
      permission: "public",
      summary: "The style sheet",
      query: [],
      answer: textAnswer("The style sheet of all pages.", "text/css"),
    },
    (context) => fixed(context, release, "text/css; charset=utf-8", styleSheet),
  );
  table.add(
    {
      method: "GET",
      path: "/healthz",
      permission: "public",
      summary: "Whether the process is alive",
      query: [],
      answer: jsonAnswer(
        "It is.",
        object({ status: text("Always ok."), now: instant("The server's clock.") }),
      ),
    },
    () =>
      new Response(prettyJson({ status: "ok", now: clock.now().toISOString() }), {
        headers: uncached,
      }),
  );
  table.add(
    {
      method: "GET",
      path: "/readyz",
      permission: "public",
      summary: "Whether questions can be answered",
      query: [],
      answer: jsonAnswer(
        "They can: the newest snapshot was opened and a view read.",
        object({
          status: text("Always ready."),
          snapshot: whole("The newest snapshot."),
          asOf: instant("When it was committed."),
        }),
      ),
    },
    async () => {
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
      query: [],
      answer: jsonAnswer("They are listed newest first.", snapshotsSchema),
    },
    async () => {
      const snapshots = await catalog.snapshots();
      const body = prettyJson({
        snapshots: snapshots.map(({ id, committedAt }) => ({ id, asOf: committedAt })),
      });
      return new Response(body, { headers: { ...uncached, "Cache-Control": "private, no-cache" } });
    },
  );
}
