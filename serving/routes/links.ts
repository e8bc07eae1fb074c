import type { Hono } from "hono";
import { z } from "zod";
import { LakeError } from "#kernel";
import type { Access } from "../access/access.js";
import type { ServingContext, ServingEnv } from "../context.js";
import { instant, type JsonSchema, jsonAnswer, object, text } from "../http/describe.js";
import { badRequest } from "../http/errors.js";
import { jsonBody } from "../http/json-body.js";
import { answerFormats } from "../http/negotiate.js";
import { pathParameter, type RouteTable } from "../http/routes.js";
import { rowsAnswer } from "../http/row-answer.js";
import { prettyJson } from "./send.js";

const linkRequest = z.strictObject({
  path: z.string().min(1).max(2000),
  /** Seconds; ten minutes when absent, a day at most. */
  lifetimeSeconds: z.int().min(1).max(86_400).default(600),
});

/** Where links lead to what may be read by them: rows of views, members and datasets of cohorts, saved queries, results of jobs. */
const readable = [
  /^\/views\/[^/]+$/,
  /^\/queries\/[a-z][a-z0-9_]*(?:\.\w+)?$/,
  /^\/jobs\/[^/]+\/result$/,
  /^\/cohorts\/[^/]+\/(?:members(?:\.\w+)?|datasets\/[^/]+)$/,
];

/** Path and query of an address on this server. */
function targetOf(path: string): URL {
  const base = "http://localhost";
  const url = URL.canParse(path, base) ? new URL(path, base) : undefined;
  const isOwn = url !== undefined && url.origin === base && path.startsWith("/") && !path.startsWith("//");
  if (isOwn && readable.some((pattern) => pattern.test(url.pathname))) return url;
  throw badRequest(
    "bad-link",
    "A link leads to rows: path is the address of a view, a saved query, the members of a cohort, a dataset or the result of a job, from its first slash.",
    { parameter: "path" },
  );
}

async function make(context: ServingContext, access: Access): Promise<Response> {
  const body = linkRequest.safeParse(await jsonBody(context));
  if (!body.success) {
    throw badRequest(
      "bad-link",
      'Send {"path": "/views/…"}, and if wanted "lifetimeSeconds" from 1 to 86400.',
    );
  }
  const url = targetOf(body.data.path);
  const { token, until } = access.links.make(
    access.scope.current()!,
    `${url.pathname}${url.search}`,
    body.data.lifetimeSeconds * 1000,
  );
  // Programs choose by the name at the end of an address.
  const name = url.pathname.split("/").at(-1)!;
  const href = `/download/${token}/${name}`;
  const headers = { "Content-Type": "application/json", "Cache-Control": "no-store", Location: href };
  return new Response(prettyJson({ href, until: until.toISOString() }), { status: 201, headers });
}

async function follow(context: ServingContext, access: Access, app: Hono<ServingEnv>): Promise<Response> {
  const { target, caller } = await access.links.open(pathParameter(context, "token"));
  const headers = new Headers(context.req.raw.headers);
  headers.delete("Authorization");
  headers.delete("X-API-Key");
  headers.set("X-Request-Id", context.get("notes").requestId);
  const url = new URL(target, context.req.url);
  const { method, signal } = context.req.raw;
  const request = access.asCaller(new Request(url, { method, headers, signal }), caller);
  return await app.fetch(request, context.env);
}

/** Links to downloads for programs that can send no credential. */
export function linkRoutes(table: RouteTable, access: Access | undefined, app: Hono<ServingEnv>): void {
  const known = (): Access => {
    if (access !== undefined) return access;
    throw new LakeError(
      "unsupported",
      "serving/no-links",
      "This server makes no links; it asks nobody who they are.",
    );
  };
  table.add(
    {
      method: "POST",
      path: "/links",
      permission: "views.read",
      summary: "Make a link to a download",
      query: [],
      body: {
        description: "The address of rows, and how long the link holds.",
        contentType: "application/json",
        schema: z.toJSONSchema(linkRequest, { io: "input" }) as JsonSchema,
        example: { path: "/views/patient_demographics.xlsx?limit=100", lifetimeSeconds: 600 },
      },
      answer: jsonAnswer(
        "The link, which needs no credential.",
        object({ href: text("Its address."), until: instant("When it ends.") }),
        { status: 201 },
      ),
    },
    async (context) => await make(context, known()),
  );
  table.add(
    {
      method: "GET",
      path: "/download/:token/:name",
      permission: "public",
      summary: "Follow a link to a download",
      params: { token: "The link's own secret.", name: "Name of the file." },
      query: [],
      answer: rowsAnswer("What the address behind the link answers.", answerFormats),
    },
    async (context) => await follow(context, known(), app),
  );
}
