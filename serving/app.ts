import { readFileSync } from "node:fs";
import path from "node:path";
import { Hono, type MiddlewareHandler } from "hono";
import { secureHeaders } from "hono/secure-headers";
import { type Clock, LakeError, packageRoot } from "#kernel";
import type { CohortService, LakeCatalog, QueryService, SavedQuery, SourceLiveStates } from "#query";
import { type Access, securitySchemes } from "./access/access.js";
import type { Pins, RunLedger, ServingDependencies, ServingEnv } from "./context.js";
import { errorResponse } from "./http/errors.js";
import { type Guard, RouteTable } from "./http/routes.js";
import { JOB_LIMITS } from "./jobs/job.js";
import type { Jobs } from "./jobs/jobs.js";
import type { Logger } from "./log.js";
import { ServerMetrics } from "./observe/metrics.js";
import { observe } from "./observe/observe.js";
import { CursorCodec } from "./question/cursor.js";
import { cohortRoutes } from "./routes/cohorts.js";
import { dictionaryRoutes } from "./routes/dictionary.js";
import { docsRoutes } from "./routes/docs.js";
import { ingestRoutes } from "./routes/ingest.js";
import { jobRoutes } from "./routes/jobs.js";
import { linkRoutes } from "./routes/links.js";
import { pinRoutes } from "./routes/pins.js";
import { queryRoutes } from "./routes/queries.js";
import { systemRoutes } from "./routes/system.js";
import { viewRoutes } from "./routes/views.js";

/** What an app is made from. */
export interface AppOptions {
  readonly catalog: LakeCatalog;
  readonly query: QueryService;
  readonly cohorts?: CohortService;
  readonly clock: Clock;
  readonly log: Logger;
  readonly pins?: Pins;
  /** 32 bytes that cursors are sealed with: servers of one key read each other's. A key of this process alone when absent. */
  readonly cursorKey?: Uint8Array;
  /** No answer has more rows than this, and says so when it is cut; no such cap when absent. */
  readonly maxRows?: number;
  /** Scheme, host and port by which others reach the server; those of each request when absent. */
  readonly publicOrigin?: string;
  /** A query that runs longer than this is stopped; 300,000 when absent. */
  readonly queryTimeoutMs?: number;
  /**
   * The host names, without port, that requests may be addressed to; any when absent. A server on the loopback interface names
   * itself, so that no web page can reach it by a host name of its own (DNS rebinding).
   */
  readonly allowedHosts?: readonly string[];
  /** Queries that can be run by their name; none when absent. */
  readonly savedQueries?: ReadonlyMap<string, SavedQuery>;
  /** Where answers are kept to be fetched later; the caller closes them. */
  readonly jobs?: Jobs;
  readonly runs?: RunLedger;
  readonly stalenessTargets?: Readonly<Record<string, number>>;
  /** How the changes of each source arrive now. */
  readonly liveStates?: SourceLiveStates;
  readonly published?: ServingDependencies["published"];
  readonly selfCheck?: ServingDependencies["selfCheck"];
  /** Decides who may ask what, and sees what of the catalog; everybody everything when absent. */
  readonly access?: Access;
  readonly speed?: ServingDependencies["speed"];
  readonly deadLetters?: ServingDependencies["deadLetters"];
  readonly hotCopies?: ServingDependencies["hotCopies"];
}

/** The app: an HTTP handler that needs no socket. */
export type ServingApp = Hono<ServingEnv>;

function releaseVersion(): string {
  const manifest = JSON.parse(readFileSync(path.join(packageRoot(), "package.json"), "utf8")) as {
    version: string;
  };
  return manifest.version;
}

function checkHost(allowed: readonly string[] | undefined): MiddlewareHandler<ServingEnv> {
  return async (context, next) => {
    const { hostname } = new URL(context.req.url);
    if (allowed !== undefined && !allowed.includes(hostname)) {
      throw new LakeError(
        "invalid-input",
        "serving/wrong-host",
        "This server does not answer to that host name.",
      );
    }
    await next();
  };
}

/** The serving app over one lake. Errors leave as problem documents; see {@link errorResponse}. */
export function createApp(options: AppOptions): ServingApp {
  const { access, catalog, query, clock, log } = options;
  const release = releaseVersion();
  const dependencies: ServingDependencies = {
    catalog,
    query,
    owner: () => access?.owner() ?? "",
    asServer: (work) => (access === undefined ? work() : access.scope.asServer(work)),
    cohorts: options.cohorts,
    clock,
    log,
    metrics: new ServerMetrics(),
    speed: options.speed,
    deadLetters: options.deadLetters,
    hotCopies: options.hotCopies,
    securitySchemes: access === undefined ? {} : securitySchemes,
    isOpen: access?.isOpen ?? true,
    showsCredential: () => ["key", "token"].includes(access?.scope.current()?.kind ?? ""),
    release,
    pins: options.pins,
    cursors: new CursorCodec(options.cursorKey),
    maxRows: options.maxRows,
    publicOrigin: options.publicOrigin,
    queryTimeoutMs: options.queryTimeoutMs ?? 300_000,
    savedQueries: options.savedQueries ?? new Map(),
    jobs: options.jobs,
    jobDeadlineMs: JOB_LIMITS.deadlineMs,
    runs: options.runs,
    stalenessTargets: options.stalenessTargets ?? {},
    liveStates: options.liveStates,
    published: options.published ?? (() => Promise.resolve(undefined)),
    selfCheck: options.selfCheck ?? (() => undefined),
  };
  const app: ServingApp = new Hono<ServingEnv>();
  app.use(
    observe(log, dependencies.metrics),
    secureHeaders({
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        styleSrc: ["'self'"],
        baseUri: ["'none'"],
        // Forms of saved queries ask this server.
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
      strictTransportSecurity: false,
      referrerPolicy: "no-referrer",
      xFrameOptions: "DENY",
    }),
    checkHost(options.allowedHosts),
  );
  const guard: Guard = async (context, route, answer) =>
    access === undefined ? await answer() : await access.guard(context, route, answer);
  const table = new RouteTable(app, guard);
  systemRoutes(table, dependencies);
  docsRoutes(table, dependencies);
  ingestRoutes(table, dependencies);
  pinRoutes(table, dependencies);
  dictionaryRoutes(table, dependencies);
  viewRoutes(table, dependencies);
  cohortRoutes(table, dependencies);
  queryRoutes(table, dependencies);
  jobRoutes(table, dependencies);
  linkRoutes(table, access, app);
  app.notFound((context) => {
    throw table.unanswered(context);
  });
  app.onError((error, context) => {
    const notes = context.get("notes");
    notes.code = error instanceof LakeError ? error.code : `unexpected ${error.name}`;
    return errorResponse(error, notes.requestId);
  });
  return app;
}
