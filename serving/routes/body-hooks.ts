import type { HttpBindings } from "@hono/node-server";
import type { ServingContext, ServingDependencies } from "../context.js";
import type { BodyHooks } from "../http/body.js";

/** Stops a query when the client goes, when the time is up (where there is one), or when told to. */
export function stopSignal(
  context: ServingContext,
  timeoutMs?: number,
): { signal: AbortSignal; stop: () => void } {
  const controller = new AbortController();
  const late = timeoutMs === undefined ? [] : [AbortSignal.timeout(timeoutMs)];
  const signal = AbortSignal.any([controller.signal, context.req.raw.signal, ...late]);
  return { signal, stop: () => controller.abort() };
}

/** Who is told how the body of an answer fares. `release` gives back what it was made from; `source` is named in the log. */
export function bodyHooks(
  context: ServingContext,
  { log, metrics }: ServingDependencies,
  source: string,
  { stop, release }: { readonly stop: () => void; readonly release: () => void },
): BodyHooks {
  const outgoing = (context.env as Partial<HttpBindings> | undefined)?.outgoing;
  const notes = context.get("notes");
  return {
    abort: stop,
    breakConnection: outgoing === undefined ? undefined : () => void outgoing.destroy(),
    end: ({ error, complete, rowCount }) => {
      release();
      notes.rowCount = rowCount;
      const format = notes.format ?? "";
      if (complete) {
        metrics.sent(format, rowCount);
        return;
      }
      const reason = error === undefined ? "client gone" : "failed";
      metrics.sent(format, rowCount, reason);
      log.warn("answer cut short", { requestId: notes.requestId, view: source, reason, rowCount });
    },
  };
}
