import { isLakeError } from "#kernel";
import type { EncodeOptions, SnapshotReader, SqlAnswer } from "#query";
import type { ServingContext, ServingDependencies } from "../context.js";
import { readyBody } from "../http/body.js";
import { parameters } from "../http/choose-format.js";
import { freshnessNow } from "../http/freshness.js";
import { contentType } from "../http/negotiate.js";
import { bodyHooks, stopSignal } from "../routes/body-hooks.js";
import { openRequested } from "../routes/open-state.js";
import { answerHeaders } from "../routes/send.js";
import type { QueryRegistry, RegisteredQuery } from "./query-registry.js";
import { chosenQueryId, type SqlRequest } from "./sql-request.js";

/** How far an answer reaches, as headers. */
export function extentHeaders({ question }: SqlRequest, { truncated }: SqlAnswer): Record<string, string> {
  const { limit } = question;
  return {
    ...(limit === undefined ? {} : { "X-Row-Limit": String(limit) }),
    "X-Truncated": String(truncated),
  };
}

/** What files say of themselves, and what the body is to say beside its rows. */
export function sqlEncodeOptions(request: SqlRequest, answer: SqlAnswer): EncodeOptions {
  const { state, truncated } = answer;
  const { limit } = request.question;
  const facts = {
    snapshot: state.id,
    asOf: state.committedAt,
    epoch: state.epoch ?? null,
    rowLimit: limit ?? null,
    truncated,
  };
  const metadata = new Map<string, string>([
    ["fhir_lake_query", request.name],
    ["fhir_lake_snapshot", String(state.id)],
    ["fhir_lake_as_of", state.committedAt],
    ...(state.epoch === undefined ? [] : [["fhir_lake_epoch", String(state.epoch)] as const]),
    ...(limit === undefined ? [] : [["fhir_lake_row_limit", String(limit)] as const]),
    ["fhir_lake_truncated", String(truncated)],
  ]);
  return {
    ...request.output.encode,
    metadata,
    sheet: request.name,
    ...(request.output.envelope ? { envelope: facts } : {}),
    ...(request.output.trailer ? { trailer: facts } : {}),
  };
}

/** Tells the audit log what was asked. */
export function noteStatement(
  context: ServingContext,
  { question }: SqlRequest,
  views: readonly string[],
): void {
  const { sql, parameters = {} } = question;
  context.set("statement", { sql, parameters: JSON.stringify(parameters), views });
}

/** A name for the file that a format is saved as. */
export function disposition({ name, format }: SqlRequest): string {
  return `attachment; filename="${name}.${format}"`;
}

/** What an answer in rows or on a page is made from. */
export interface OpenAnswer {
  readonly answer: SqlAnswer;
  readonly headers: Record<string, string>;
}

/** Turns a prepared answer into a page; the answer is closed afterwards. */
export type Page = (open: OpenAnswer) => Promise<string>;

interface Running {
  readonly query: RegisteredQuery;
  readonly signal: AbortSignal;
  readonly stop: () => void;
}

async function send(
  context: ServingContext,
  dependencies: ServingDependencies,
  request: SqlRequest,
  open: OpenAnswer,
  running: Running & { readonly registry: QueryRegistry },
): Promise<Response> {
  const { answer, headers } = open;
  const { format } = request;
  if (format === "html") throw new TypeError("A page is no stream of rows.");
  const { query, stop, registry } = running;
  const hooks = bodyHooks(context, dependencies, request.name, { stop, release: () => answer.close() });
  const ready = await context.get("notes").timing.step("encode", async () => {
    const encoded = await answer.encode(format, sqlEncodeOptions(request, answer));
    query.rows = () => encoded.rowCount();
    return await readyBody(encoded, {
      ...hooks,
      end: (outcome) => {
        const code = isLakeError(outcome.error) ? outcome.error.code : undefined;
        registry.end(query, outcome.complete ? "done" : "failed", code);
        hooks.end(outcome);
      },
    });
  });
  if (format !== "json") headers["Content-Disposition"] = disposition(request);
  if (ready.sizeBytes === undefined) headers["Transfer-Encoding"] = "chunked";
  else headers["Content-Length"] = String(ready.sizeBytes);
  if (ready.rowCount !== undefined) headers["X-Row-Count"] = String(ready.rowCount);
  context.get("notes").rowCount = ready.rowCount ?? 0;
  return new Response(ready.body as ReadableStream<Uint8Array>, { headers });
}

async function prepare(
  dependencies: ServingDependencies,
  request: SqlRequest,
  state: SnapshotReader,
  { query, signal }: Running,
): Promise<OpenAnswer> {
  const answer = await dependencies.query.runSql(state, {
    ...request.question,
    audience: dependencies.owner(),
    signal,
    deadlineMs: dependencies.queryTimeoutMs,
  });
  query.state = "running";
  query.expectedRows = answer.rows;
  const headers = {
    ...answerHeaders(freshnessNow(answer.state, dependencies)),
    "Content-Type": contentType(request.format),
    "X-Query-Id": query.id,
    ...extentHeaders(request, answer),
  };
  return { answer, headers };
}

/**
 * Runs a statement and answers with its rows, or with the page that `page` makes of them. It ends at once when the client goes or cancels it, and after
 * the server's longest time.
 */
export async function answerSql(
  context: ServingContext,
  dependencies: ServingDependencies,
  registry: QueryRegistry,
  request: SqlRequest,
  page?: Page,
): Promise<Response> {
  context.get("notes").format = request.format;
  const { signal, stop } = stopSignal(context);
  const query = registry.begin(dependencies.owner(), chosenQueryId(context), stop);
  let open: OpenAnswer | undefined;
  try {
    const { timing } = context.get("notes");
    const state = await timing.step("open", () => openRequested(parameters(context), dependencies));
    open = await timing.step("plan", () => prepare(dependencies, request, state, { query, signal, stop }));
    noteStatement(context, request, open.answer.views);
    if (page !== undefined) {
      const body = await page(open);
      open.answer.close();
      registry.end(query, "done");
      return new Response(body, { headers: open.headers });
    }
    return await send(context, dependencies, request, open, { query, signal, stop, registry });
  } catch (error) {
    open?.answer.close();
    registry.end(query, "failed", isLakeError(error) ? error.code : undefined);
    throw error;
  }
}
