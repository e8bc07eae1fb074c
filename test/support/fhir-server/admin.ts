import type { Authorization } from "./auth/authorization.js";
import { instant } from "./clock.js";
import type { FaultRule } from "./fault/rule.js";
import type { FaultScript } from "./fault/script.js";
import type { RequestLog } from "./requests.js";
import type { ServerContext } from "./server-context.js";

/** What the admin routes reach into. */
export interface AdminTargets {
  readonly context: ServerContext;
  readonly faults: FaultScript;
  readonly requests: RequestLog;
  readonly authorization: Authorization;
}

/**
 * Routes below `/_admin` for tests whose server is another process. They are neither recorded nor struck by faults.
 *
 * - `POST /_admin/faults` adds rules (an array, or one); `GET` tells how often each struck; `DELETE` drops them.
 * - `GET /_admin/requests` gives the record of requests; `DELETE` forgets it.
 * - `GET /_admin/state` counts live resources per type; `GET /_admin/ids?type=X` lists `id version lastUpdated` per live resource.
 * - `POST /_admin/expire?what=pages|tokens|jobs` makes page links, access tokens or export jobs end at once.
 * - `POST /_admin/clock?shiftMs=n` moves the server's clock.
 */
export async function answerAdmin(
  targets: AdminTargets,
  request: { method: string; path: string; query: URLSearchParams; body(): Promise<Buffer> },
): Promise<Response> {
  const { context, faults, requests } = targets;
  switch (`${request.method} ${request.path}`) {
    case "POST /_admin/faults": {
      const rules = JSON.parse((await request.body()).toString()) as FaultRule | FaultRule[];
      faults.add(...(Array.isArray(rules) ? rules : [rules]));
      return json({});
    }
    case "GET /_admin/faults":
      return json(faults.struck());
    case "DELETE /_admin/faults":
      faults.clear();
      return json({});
    case "GET /_admin/requests":
      return json(requests.all);
    case "DELETE /_admin/requests":
      requests.clear();
      return json({});
    case "GET /_admin/state":
      return json(Object.fromEntries(context.store.types().map((type) => [type, context.store.count(type)])));
    case "GET /_admin/ids":
      return new Response(idLines(context, request.query.get("type") ?? ""));
    case "POST /_admin/expire":
      return json({ expired: expire(targets, request.query.get("what")) });
    case "POST /_admin/clock":
      context.clock.shift(Number(request.query.get("shiftMs")));
      return json({ now: instant(context.clock.now()) });
    default:
      return new Response("There is no such admin route.\n", { status: 404 });
  }
}

function json(value: unknown): Response {
  return new Response(JSON.stringify(value), { headers: { "content-type": "application/json" } });
}

function idLines(context: ServerContext, type: string): string {
  const lines = [...context.store.live(type)].map(
    ({ id, version, at }) => `${id} ${version} ${instant(at)}\n`,
  );
  return lines.join("");
}

function expire({ context, authorization }: AdminTargets, what: string | null): string {
  if (what === "pages") context.pages.expireAll();
  else if (what === "tokens") authorization.revokeAll();
  else if (what === "jobs") context.jobs.deleteAll();
  else return "nothing";
  return what;
}
