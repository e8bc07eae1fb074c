import type { Hono } from "hono";
import { LakeError } from "#kernel";
import type { SnapshotReader } from "#query";
import type { Permission } from "../access/permission.js";
import type { ServingContext, ServingEnv } from "../context.js";
import type { QueryParameter, RequestBody, RouteAnswer } from "./describe.js";
import { checkParameters } from "./question.js";

/** Methods that a route can have. HEAD comes with GET. */
const methods = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;

/** One of the methods that a route can have. */
export type RouteMethod = (typeof methods)[number];

/** What a route is, apart from what it does. */
export interface Route {
  readonly method: RouteMethod;
  /** A pattern of Hono's: `/views/:view/schema`. */
  readonly path: string;
  /** What its caller must be allowed. */
  readonly permission: Permission;
  /** One line for people. */
  readonly summary: string;
  /** What the parameters of the path are, by name: each of them, and no other. */
  readonly params?: Readonly<Record<string, string>>;
  /** The parameters of the query. A request with others is refused before the route sees it, unless there are variants. */
  readonly query: readonly QueryParameter[];
  readonly body?: RequestBody;
  readonly answer: RouteAnswer;
  /**
   * The addresses that the pattern stands for in a state of the lake, where each has parameters of its own: `/openapi.json` shows them instead of the
   * pattern. The route then checks parameters itself, against the same state.
   */
  readonly variants?: (snapshot: SnapshotReader) => readonly RouteVariant[];
}

/** One address of a route that stands for several. */
export interface RouteVariant {
  readonly path: string;
  readonly summary: string;
  readonly description: string;
  readonly query: readonly QueryParameter[];
  readonly answer: RouteAnswer;
}

/** Answers a request to one route. */
export type RouteHandler = (context: ServingContext) => Response | Promise<Response>;

/**
 * Answers a request to a route with what `answer` gives, or fails when its caller may not make it: `answer` lets the route see the request, and is
 * called at most once.
 */
export type Guard = (
  context: ServingContext,
  route: Route,
  answer: () => Promise<Response>,
) => Promise<Response>;

function patternOf(path: string): RegExp {
  const parts = path
    .split("/")
    .map((part) => (part.startsWith(":") ? "[^/]+" : part.replaceAll(/[.$]/g, "\\$&")));
  return new RegExp(`^${parts.join("/")}$`);
}

/** Names of the parameters in a pattern. */
export function paramsOf(path: string): readonly string[] {
  return path.split("/").flatMap((part) => (part.startsWith(":") ? [part.slice(1)] : []));
}

/** Fails unless a route says what it and each of its parameters is. */
function checkDescribed({ method, path, summary, params = {}, query, answer }: Route): void {
  const texts = [summary, answer.description, ...query.map(({ description }) => description)];
  const missing = [...texts, ...Object.values(params)].some((text) => text.trim() === "");
  const names = paramsOf(path);
  const wrong = Object.keys(params).sort().join() !== [...names].sort().join();
  if (missing || wrong) {
    throw new TypeError(
      `Describe ${method} ${path} and each of its parameters (${names.join(", ") || "none"}).`,
    );
  }
}

/**
 * The routes of a server. There is no other way to add one, and none without a permission, so that no route can be left open by
 * forgetting it; nor without a description, from which `/openapi.json` is made.
 */
export class RouteTable {
  /** All routes, in the order in which they were added. */
  readonly routes: Route[] = [];
  private readonly app: Hono<ServingEnv>;
  private readonly guard: Guard;

  constructor(app: Hono<ServingEnv>, guard: Guard) {
    this.app = app;
    this.guard = guard;
  }

  /** Adds a route. Of two patterns that match an address, the one added first answers. Fails unless it is described in full. */
  add(route: Route, handler: RouteHandler): void {
    checkDescribed(route);
    this.routes.push(route);
    const known = route.query.map(({ name }) => name);
    const checked = async (context: ServingContext): Promise<Response> => {
      if (route.variants === undefined) checkParameters(new URL(context.req.url).searchParams, known);
      return await handler(context);
    };
    this.app.on(route.method, route.path, async (context) => {
      context.get("notes").route = route.path;
      return await this.guard(context, route, async () => await checked(context));
    });
  }

  /** The methods that an address answers, for `Allow`; empty where there is nothing. */
  methodsAt(path: string): readonly string[] {
    const found = new Set(
      this.routes.filter((route) => patternOf(route.path).test(path)).map(({ method }) => method),
    );
    return methods
      .filter((method) => found.has(method))
      .flatMap((m) => (m === "GET" ? ["GET", "HEAD"] : [m]));
  }

  /** The error of a request that no route answers. */
  unanswered(context: ServingContext): LakeError {
    const allowed = this.methodsAt(context.req.path);
    if (allowed.length === 0) {
      return new LakeError(
        "not-found",
        "serving/no-such-page",
        "There is nothing at this address; GET / lists what there is.",
      );
    }
    return new LakeError(
      "invalid-input",
      "serving/method-not-allowed",
      `Only ${allowed.join(" and ")} are answered here.`,
      { details: { allowed } },
    );
  }
}

/** A parameter of the route's pattern. */
export function pathParameter(context: ServingContext, name: string): string {
  const value = context.req.param(name as never) as string | undefined;
  if (value === undefined) {
    throw new LakeError("internal", "serving/no-such-path-parameter", `The route has no parameter ${name}.`);
  }
  return value;
}
