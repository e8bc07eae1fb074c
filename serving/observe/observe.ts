import { randomUUID } from "node:crypto";
import {
  context as activeContext,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TextMapGetter,
  trace,
} from "@opentelemetry/api";
import type { MiddlewareHandler } from "hono";
import type { RequestNotes, ServingContext, ServingEnv } from "../context.js";
import type { Logger } from "../log.js";
import type { ServerMetrics } from "./metrics.js";
import { Timing } from "./timing.js";

const headerGetter: TextMapGetter<Headers> = {
  get: (headers, key) => headers.get(key) ?? undefined,
  keys: (headers) => [...headers.keys()],
};

/** The id that the caller gave the request, if it is harmless, else a new one. */
function requestIdOf(context: ServingContext): string {
  const given = context.req.header("X-Request-Id") ?? "";
  return /^[\w.-]{1,64}$/.test(given) ? given : randomUUID();
}

/** Says in the span what the log says too: route and numbers, never the URL. */
function describeSpan(
  span: Span,
  { route, view, format, code, rowCount }: RequestNotes,
  status: number,
): void {
  if (route !== undefined) span.setAttribute("http.route", route);
  span.setAttribute("http.response.status_code", status);
  if (view !== undefined) span.setAttribute("fhir_lake.view", view);
  if (format !== undefined) span.setAttribute("fhir_lake.format", format);
  if (rowCount !== undefined) span.setAttribute("fhir_lake.rows", rowCount);
  if (code !== undefined) span.setAttribute("error.type", code);
  if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
}

/**
 * Gives each request an id, times it, and tells the log, the metrics and the trace how it went. The part of its answer that is streamed
 * afterwards is told of by the route, see {@link ServerMetrics.sent}.
 */
export function observe(log: Logger, metrics: ServerMetrics): MiddlewareHandler<ServingEnv> {
  return async (context, next) => {
    const requestId = requestIdOf(context);
    const timing = new Timing();
    const notes: RequestNotes = { requestId, timing };
    context.set("notes", notes);
    const { method } = context.req.raw;
    const parent = propagation.extract(activeContext.active(), context.req.raw.headers, headerGetter);
    const options = { kind: SpanKind.SERVER, attributes: { "http.request.method": method } };
    await trace.getTracer("fhir-lake").startActiveSpan(method, options, parent, async (span) => {
      metrics.began();
      try {
        await next();
      } finally {
        const { status, headers } = context.res;
        headers.set("X-Request-Id", requestId);
        headers.set("Server-Timing", timing.header());
        if (notes.contentSecurityPolicy !== undefined) {
          headers.set("Content-Security-Policy", notes.contentSecurityPolicy);
        }
        metrics.answered({ method, status, notes, seconds: timing.elapsedMs() / 1000 });
        span.updateName(notes.route === undefined ? method : `${method} ${notes.route}`);
        describeSpan(span, notes, status);
        const { traceId } = span.spanContext();
        logRequest(log, notes, {
          method,
          status,
          traceId: trace.isSpanContextValid(span.spanContext()) ? traceId : undefined,
        });
        span.end();
      }
    });
  };
}

function logRequest(
  log: Logger,
  { timing, contentSecurityPolicy: _policy, ...notes }: RequestNotes,
  told: { readonly method: string; readonly status: number; readonly traceId: string | undefined },
): void {
  const level = told.status >= 500 ? "error" : "info";
  log[level]("request", { ...notes, ...told, durationMs: Math.round(timing.elapsedMs()) });
}
