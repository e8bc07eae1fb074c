import type { EncodeOptions, SnapshotReader, ViewRead } from "#query";
import type { ServingContext, ServingDependencies } from "../context.js";
import { viewPage } from "../html/view-page.js";
import { type BodyHooks, readyBody } from "../http/body.js";
import { entityTag } from "../http/conditional.js";
import { freshnessMeta, freshnessNow } from "../http/freshness.js";
import { type AnswerFormat, contentType } from "../http/negotiate.js";
import { type PageNotes, pageHeaders, pageNotes } from "../http/page.js";
import type { OutputOptions } from "../question/output-options.js";
import { bodyHooks, stopSignal } from "./body-hooks.js";
import { answerHeaders, notModified } from "./send.js";

function viewHeaders(
  { read, format, output, count, pinned }: ViewAnswer,
  dependencies: ServingDependencies,
): Record<string, string> {
  const freshness = freshnessNow(read.state, dependencies);
  // A page shows how fresh it is, which may change while the rows do not, and lines that depend on who asks.
  const shown =
    format === "html"
      ? JSON.stringify([freshnessMeta(freshness), freshness.reasons, dependencies.showsCredential()])
      : "";
  const headers: Record<string, string> = {
    ...answerHeaders(freshness),
    // A view of what the lake knows of itself shows the present, whatever was pinned.
    ...(pinned && read.view.revision === undefined
      ? { "Cache-Control": "private, max-age=86400, immutable" }
      : {}),
    "Content-Type": contentType(format),
    ETag: entityTag(
      dependencies.release,
      format,
      read.fingerprint,
      JSON.stringify(output),
      count ?? "",
      shown,
    ),
  };
  if (format !== "html" && format !== "json") {
    headers["Content-Disposition"] = `attachment; filename="${read.view.name}.${format}"`;
  }
  return headers;
}

/** A checked question and how it is to be answered. */
export interface ViewAnswer {
  readonly read: ViewRead;
  readonly format: AnswerFormat;
  readonly output: OutputOptions;
  /** Whether the rows are to be counted beyond the limit. */
  readonly count: "exact" | "estimated" | undefined;
  /** True when the address names a pin: it answers the same until the pin is released. */
  readonly pinned: boolean;
  /** One more hold on the state of the read. */
  readonly hold: () => SnapshotReader;
}

/**
 * Finds out how far the answer reaches. The state of a page that another one follows is kept, unless it can be opened again by its
 * number: without live changes to the view.
 */
async function extent(
  context: ServingContext,
  dependencies: ServingDependencies,
  { read, count, hold, format, output }: ViewAnswer,
  signal: AbortSignal,
): Promise<PageNotes> {
  const { timing } = context.get("notes");
  const as = format === "html" ? {} : { as: { format, options: output.encode } };
  const facts = await timing.step("scan", () => read.page({ signal, ...as }));
  const total =
    count === undefined ? undefined : await timing.step("scan", () => read.count(count, { signal }));
  if (facts.next !== undefined && read.view.changedAt !== undefined) dependencies.query.keep(hold());
  return pageNotes(context, dependencies, read, facts, total);
}

async function sendPage(
  context: ServingContext,
  dependencies: ServingDependencies,
  read: ViewRead,
  headers: Record<string, string>,
  page: PageNotes,
  signal: AbortSignal,
): Promise<Response> {
  const rows = await context.get("notes").timing.step("encode", () => read.texts({ signal }));
  const url = new URL(context.req.url);
  url.searchParams.delete("_format");
  const body = viewPage({
    freshness: freshnessNow(read.state, dependencies),
    view: read.view,
    columns: read.columns,
    rows,
    page,
    address: {
      origin: dependencies.publicOrigin ?? url.origin,
      search: url.search,
      keyed: dependencies.showsCredential(),
    },
  });
  return new Response(body, { headers });
}

/** What files say of themselves. Not the epoch of the read: answers of equal tags have equal bytes. */
function metadataOf({ read }: ViewAnswer, { rowLimit, truncated }: PageNotes): Map<string, string> {
  const { state, view } = read;
  return new Map<string, string>([
    ["fhir_lake_view", view.name],
    ["fhir_lake_snapshot", String(state.id)],
    ["fhir_lake_as_of", state.committedAt],
    ...(view.changedAt === undefined ? [] : [["fhir_lake_changed_at", String(view.changedAt)] as const]),
    ...(rowLimit === null ? [] : [["fhir_lake_row_limit", String(rowLimit)] as const]),
    ["fhir_lake_truncated", String(truncated)],
  ]);
}

/** Options of the encoder: those of the URL, and what the body is to say beside its rows. */
function encodeOptions(
  context: ServingContext,
  answer: ViewAnswer,
  page: PageNotes,
  signal: AbortSignal,
): EncodeOptions {
  const { read, format, output } = answer;
  const metadata = metadataOf(answer, page);
  if (format === "xlsx") {
    const { pathname, search } = new URL(context.req.url);
    metadata.set("address", `${pathname}${search}`);
  }
  const { rowLimit, truncated, next, total } = page;
  const state = {
    snapshot: read.state.id,
    asOf: read.state.committedAt,
    changedAt: read.view.changedAt ?? null,
  };
  const about = { rowLimit, truncated, next, totalCount: total?.rows ?? null, ...state };
  return {
    ...output.encode,
    signal,
    metadata,
    sheet: read.view.name,
    ...(output.envelope ? { envelope: about } : {}),
    ...(output.trailer ? { trailer: about } : {}),
  };
}

async function sendRows(
  context: ServingContext,
  { read, format }: ViewAnswer,
  options: EncodeOptions,
  headers: Record<string, string>,
  hooks: BodyHooks,
): Promise<Response> {
  if (format === "html") throw new TypeError("A page is no stream of rows.");
  const { timing } = context.get("notes");
  const ready = await timing.step(
    "encode",
    async () => await readyBody(await read.encode(format, options), hooks),
  );
  if (ready.sizeBytes === undefined) headers["Transfer-Encoding"] = "chunked";
  else headers["Content-Length"] = String(ready.sizeBytes);
  if (ready.rowCount !== undefined) headers["X-Row-Count"] = String(ready.rowCount);
  context.get("notes").rowCount = ready.rowCount ?? 0;
  return new Response(ready.body as ReadableStream<Uint8Array>, { headers });
}

/**
 * Answers a checked question. Takes the read over and releases it when the last byte has gone out, or nothing will.
 * HEAD and 304 compute no rows.
 */
export async function sendAnswer(
  context: ServingContext,
  dependencies: ServingDependencies,
  answer: ViewAnswer,
): Promise<Response> {
  const { read, format } = answer;
  context.get("notes").format = format;
  const headers = viewHeaders(answer, dependencies);
  const early =
    notModified(context, headers) ??
    (context.req.raw.method === "HEAD" ? new Response(null, { headers }) : undefined);
  if (early !== undefined) {
    read.release();
    return early;
  }
  const { signal, stop } = stopSignal(context, dependencies.queryTimeoutMs);
  try {
    const page = await extent(context, dependencies, answer, signal);
    Object.assign(headers, pageHeaders(page));
    if (format === "html") {
      const response = await sendPage(context, dependencies, read, headers, page, signal);
      read.release();
      return response;
    }
    const hooks = bodyHooks(context, dependencies, read.view.name, { stop, release: () => read.release() });
    return await sendRows(context, answer, encodeOptions(context, answer, page, signal), headers, hooks);
  } catch (error) {
    read.release();
    throw error;
  }
}
