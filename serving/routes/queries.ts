import type { SavedQuery } from "#query";
import type { ServingContext, ServingDependencies } from "../context.js";
import { queryListPage, savedQueryPage } from "../html/query-page.js";
import { chooseFormat, parameters, splitName } from "../http/choose-format.js";
import { entityTag } from "../http/conditional.js";
import { contentType } from "../http/negotiate.js";
import { checkParameters } from "../http/question.js";
import { pathParameter, type RouteTable } from "../http/routes.js";
import { isQueryId, QueryRegistry, type RegisteredQuery } from "../sql/query-registry.js";
import { findSaved, pageWithRows, parseSaved } from "../sql/saved-answer.js";
import { answerSql } from "../sql/sql-answer.js";
import { parseSqlRequest, prefersAsync } from "../sql/sql-request.js";
import { startJob } from "./jobs.js";
import { notModified, prettyJson } from "./send.js";
import { queryDescriptions, savedVariants } from "./sql-descriptions.js";

const uncached = { "Content-Type": "application/json", "Cache-Control": "no-store" };

function shown(query: RegisteredQuery, now: Date): Record<string, unknown> {
  const { id, state, startedAt, endedAt, expectedRows, code } = query;
  return {
    id,
    state,
    rows: query.rows(),
    expectedRows,
    startedAt: startedAt.toISOString(),
    durationMs: (endedAt ?? now).getTime() - startedAt.getTime(),
    ...(code === undefined ? {} : { error: code }),
  };
}

function savedSummary({ name, title, parameters: declared }: SavedQuery): Record<string, unknown> {
  return {
    name,
    title,
    parameters: declared.map(({ default: value, ...parameter }) => ({
      ...parameter,
      required: value === undefined,
      default: value ?? null,
    })),
    href: `/queries/${name}`,
  };
}

class QueryRoutes {
  private readonly dependencies: ServingDependencies;
  private readonly registry: QueryRegistry;

  constructor(dependencies: ServingDependencies) {
    this.dependencies = dependencies;
    this.registry = new QueryRegistry(dependencies.clock);
    dependencies.metrics.lookAt(() => ({
      name: "statements_in_progress",
      help: "SQL statements whose answers have not ended.",
      value: this.registry.underWay(),
    }));
  }

  async runSql(context: ServingContext): Promise<Response> {
    const request = await parseSqlRequest(context, this.dependencies);
    if (prefersAsync(context)) return await startJob(context, this.dependencies, request);
    return await answerSql(context, this.dependencies, this.registry, request);
  }

  /** The saved queries: the same as long as the server runs. */
  list(context: ServingContext): Response {
    const format = chooseFormat(context, undefined, ["json", "html"]);
    const queries = [...this.dependencies.savedQueries.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const body =
      format === "html" ? queryListPage(queries) : prettyJson({ queries: queries.map(savedSummary) });
    const headers = {
      "Content-Type": contentType(format),
      "Cache-Control": "private, no-cache",
      Vary: "Accept",
      ETag: entityTag(this.dependencies.release, format, body),
    };
    return notModified(context, headers) ?? new Response(body, { headers });
  }

  /** A running statement by its id, or the answer of a saved query by its name. */
  async show(context: ServingContext): Promise<Response> {
    const segment = pathParameter(context, "query");
    if (isQueryId(segment)) {
      checkParameters(parameters(context), []);
      const query = this.registry.find(segment, this.dependencies.owner());
      return new Response(prettyJson(shown(query, this.dependencies.clock.now())), { headers: uncached });
    }
    const { name, extension } = splitName(segment);
    const saved = parseSaved(context, this.dependencies, findSaved(this.dependencies, name), extension);
    const { request, query, values, html } = saved;
    if (request === undefined) {
      const body = savedQueryPage({ query, values, search: new URL(context.req.url).search });
      return new Response(body, {
        headers: {
          "Content-Type": contentType("html"),
          "Cache-Control": "private, no-cache",
          Vary: "Accept",
        },
      });
    }
    if (prefersAsync(context) && !html) return await startJob(context, this.dependencies, request);
    return await answerSql(
      context,
      this.dependencies,
      this.registry,
      request,
      html ? pageWithRows(context, saved) : undefined,
    );
  }

  cancel(context: ServingContext): Response {
    const query = this.registry.find(pathParameter(context, "query"), this.dependencies.owner());
    query.cancel();
    return new Response(prettyJson(shown(query, this.dependencies.clock.now())), { headers: uncached });
  }
}

/** SQL over the views, what runs of it, and queries that were saved. */
export function queryRoutes(table: RouteTable, dependencies: ServingDependencies): void {
  const routes = new QueryRoutes(dependencies);
  const all = queryDescriptions;
  table.add(all.run, async (context) => await routes.runSql(context));
  table.add(all.list, (context) => routes.list(context));
  table.add(
    { ...all.show, variants: () => savedVariants([...dependencies.savedQueries.values()]) },
    async (context) => await routes.show(context),
  );
  table.add(all.cancel, (context) => routes.cancel(context));
}
