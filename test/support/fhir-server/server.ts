import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener, type HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import { answerAdmin } from "./admin.js";
import { Authorization } from "./auth/authorization.js";
import { TokenEndpoint } from "./auth/token-endpoint.js";
import { ServerClock } from "./clock.js";
import { ExportJobs } from "./export/jobs.js";
import { FaultScript } from "./fault/script.js";
import { loadNdjson } from "./load-ndjson.js";
import { DEFAULT_EXPORT, type FhirServerOptions } from "./options.js";
import { ResultPages } from "./pages.js";
import { ehrProfile } from "./profile.js";
import { RequestLog } from "./requests.js";
import type { LineFile } from "./resource-text.js";
import { answerFhir, type Routing } from "./router.js";
import type { ServerContext } from "./server-context.js";
import { ResourceStore } from "./store.js";
import { DEFAULT_SUBSCRIPTIONS } from "./subscription/behaviour.js";
import { SubscriptionEngine } from "./subscription/engine.js";
import { answerBucket, FaultFiles, Traffic } from "./traffic.js";

/** A running server. */
export interface FhirServer {
  /** The base URL of the FHIR API, without a slash at its end. */
  readonly url: string;
  /** Another origin that serves the files of exports for profiles that redirect to one. */
  readonly fileOrigin: string;
  /** The token endpoint, when SMART Backend Services are demanded. */
  readonly tokenUrl: string;
  readonly store: ResourceStore;
  readonly clock: ServerClock;
  readonly requests: RequestLog;
  readonly faults: FaultScript;
  /** What Subscriptions send, and what goes wrong with it. */
  readonly subscriptions: SubscriptionEngine;
  /** Makes page links, access tokens or export jobs end at once. */
  expire(what: "pages" | "tokens" | "jobs"): void;
  /** Takes in a file of resources, one per line; returns how many. */
  load(path: string, options?: { readonly stamp?: boolean }): Promise<number>;
  close(): Promise<void>;
}

interface Parts {
  readonly context: ServerContext;
  readonly routing: Routing;
  readonly tokens: TokenEndpoint | undefined;
  readonly tokenUrl: string;
  readonly faults: FaultScript;
  readonly requests: RequestLog;
}

/** Starts a FHIR server on the loopback address. */
export async function startFhirServer(options: FhirServerOptions = {}): Promise<FhirServer> {
  const fhir = listener();
  const files = listener();
  const origin = await listen(fhir.server, options.port ?? 0);
  const fileOrigin = await listen(files.server, 0);
  const parts = makeParts(options, origin, fileOrigin);
  addRoutes(fhir.app, files.app, parts);
  const { context, routing, faults, requests, tokenUrl } = parts;
  const opened: LineFile[] = [];
  const load = async (path: string, how: { readonly stamp?: boolean } = {}): Promise<number> => {
    const stamp = how.stamp ?? options.stamp ?? true;
    const { count, file } = await loadNdjson(context.store, path, { stamp, at: context.clock.now() });
    opened.push(file);
    return count;
  };
  for (const path of options.load ?? []) await load(path);
  return {
    url: context.base,
    fileOrigin,
    tokenUrl,
    store: context.store,
    clock: context.clock,
    requests,
    faults,
    subscriptions: context.subscriptions,
    expire(what) {
      if (what === "pages") context.pages.expireAll();
      else if (what === "tokens") routing.authorization.revokeAll();
      else context.jobs.deleteAll();
    },
    load,
    async close() {
      context.subscriptions.close();
      await Promise.all([shut(fhir.server), shut(files.server)]);
      for (const file of opened) file.close();
    },
  };
}

/** Servers with the topics of a later version are servers of that version. */
const FHIR_VERSIONS: Readonly<Record<string, string>> = { "r4b-topics": "4.3.0", "r5-topics": "5.0.0" };

function makeParts(options: FhirServerOptions, origin: string, fileOrigin: string): Parts {
  const profile = ehrProfile(options.profile ?? "full", options.changes);
  const clock = new ServerClock(options.now);
  const faults = new FaultScript();
  faults.add(...(options.faults ?? []));
  const authorization = new Authorization(options.auth ?? {}, clock);
  const data = {
    profile,
    clock,
    store: new ResourceStore(clock, { meta: profile.meta }),
    pages: new ResultPages(clock, { keepMs: options.pageKeepMs ?? 600_000, form: profile.pageLinks }),
    base: `${origin}/fhir`,
    fhirVersion: FHIR_VERSIONS[options.subscriptions?.kind ?? "none"] ?? "4.0.1",
    secured: authorization.demanded,
  };
  const context: ServerContext = {
    ...data,
    jobs: new ExportJobs({ ...DEFAULT_EXPORT, ...options.export }),
    subscriptions: new SubscriptionEngine(data, { ...DEFAULT_SUBSCRIPTIONS, ...options.subscriptions }),
  };
  const smart = options.auth?.smart;
  const tokenUrl = `${origin}/auth/token`;
  const tokens = smart === undefined ? undefined : new TokenEndpoint(tokenUrl, smart, authorization, clock);
  const routing = { context, authorization, fileOrigin, tokenUrl: tokens?.url, scopes: smart?.scopes };
  return { context, routing, tokens, tokenUrl, faults, requests: new RequestLog() };
}

type App = Hono<{ Bindings: HttpBindings }>;

function addRoutes(fhir: App, files: App, parts: Parts): void {
  const { context, routing, tokens, faults, requests } = parts;
  const faultFiles = new FaultFiles();
  const traffic = new Traffic({ requests, faults, faultFiles, clock: context.clock, base: context.base });
  fhir.all("/_admin/*", (c) =>
    answerAdmin(
      { context, faults, requests, authorization: routing.authorization },
      {
        method: c.req.method,
        path: c.req.path,
        query: new URL(c.req.url).searchParams,
        body: async () => Buffer.from(await c.req.arrayBuffer()),
      },
    ),
  );
  fhir.all("/auth/token", (c) =>
    traffic.through(c, "fhir", async () =>
      tokens === undefined
        ? new Response(null, { status: 404 })
        : tokens.answer(new URLSearchParams(await c.req.text())),
    ),
  );
  fhir.all("*", (c) =>
    traffic.through(c, "fhir", (request) => faultFiles.answer(request) ?? answerFhir(routing, request)),
  );
  files.all("*", (c) => traffic.through(c, "files", (request) => answerBucket(context, request)));
}

function listener(): { readonly app: App; readonly server: Server } {
  const app = new Hono<{ Bindings: HttpBindings }>();
  const handle = getRequestListener((request, env) => app.fetch(request, env), {
    overrideGlobalObjects: false,
  });
  const server = createServer((incoming, outgoing) => void handle(incoming, outgoing));
  return { app, server };
}

function listen(server: Server, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () =>
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    );
  });
}

function shut(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
