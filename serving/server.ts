import { createServer, type Server, type ServerOptions } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { LakeError } from "#kernel";
import type { ServingApp } from "./app.js";

/** How the server listens and how patient it is. All times in milliseconds. */
export interface ServerSettings {
  /** 0 picks a free port. */
  readonly port: number;
  /** The address to bind to; the loopback interface unless other machines are to reach it. */
  readonly host: string;
  /** Time to send the headers of a request; 10,000 when absent. */
  readonly headersTimeoutMs?: number;
  /** Time to send a whole request; 30,000 when absent. */
  readonly requestTimeoutMs?: number;
  /** A connection on which nothing moves for so long is closed, a stalled download included; 120,000 when absent. */
  readonly idleTimeoutMs?: number;
  /** Connections above this number are refused; 1,000 when absent. */
  readonly maxConnections?: number;
  /** How long `close` waits for answers under way before it cuts them; 10,000 when absent. */
  readonly shutdownTimeoutMs?: number;
}

/** A server that is listening. */
export interface RunningServer {
  readonly port: number;
  /** Address to give to people, without a slash at the end. */
  readonly url: string;
  /** Stops accepting, lets answers under way finish until the deadline, then cuts them. Resolves when all is closed. */
  close(): Promise<void>;
}

const loopback = new Set(["127.0.0.1", "::1", "localhost"]);

/** The host names under which a server bound to `host` may be addressed, its public one included: undefined (any) unless it is on loopback. */
export function allowedHosts(host: string, publicUrl?: URL): readonly string[] | undefined {
  const own = publicUrl === undefined ? [] : [publicUrl.hostname];
  return loopback.has(host) ? ["127.0.0.1", "[::1]", "localhost", ...own] : undefined;
}

function listen(server: Server, settings: ServerSettings): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const message =
        error.code === "EADDRINUSE"
          ? `Port ${settings.port} is taken; stop what uses it or choose another with --port.`
          : `The server cannot listen on ${settings.host}:${settings.port}.`;
      reject(new LakeError("unavailable", "serving/cannot-listen", message, { cause: error }));
    });
    server.listen(settings.port, settings.host, () => resolve((server.address() as AddressInfo).port));
  });
}

function closer(server: Server, timeoutMs: number): () => Promise<void> {
  let closed: Promise<void> | undefined;
  return () => {
    closed ??= new Promise((resolve) => {
      const deadline = setTimeout(() => server.closeAllConnections(), timeoutMs);
      // A connection that falls idle during the shutdown would be kept alive for seconds.
      const sweep = setInterval(() => server.closeIdleConnections(), 50);
      server.close(() => {
        clearTimeout(deadline);
        clearInterval(sweep);
        resolve();
      });
    });
    return closed;
  };
}

/**
 * Serves an app. Slow or silent clients are cut by the timeouts, since the defaults of Node would let them hold
 * connections for minutes. Fails with `serving/cannot-listen`.
 */
export async function startServer(app: HttpApp, settings: ServerSettings): Promise<RunningServer> {
  const options: ServerOptions = {
    headersTimeout: settings.headersTimeoutMs ?? 10_000,
    requestTimeout: settings.requestTimeoutMs ?? 30_000,
    // Longer than load balancers keep idle connections (60 s by default): else they send requests into those just ended here.
    keepAliveTimeout: 65_000,
    maxHeaderSize: 16 * 1024,
    connectionsCheckingInterval: 1_000,
  };
  let closing = false;
  const answer = getRequestListener((request, env) => app.fetch(request, env as ConnectionBindings), {
    overrideGlobalObjects: false,
  });
  const server = createServer(options, (incoming, outgoing) => {
    // Clients that keep their connection open would hold a shutdown up.
    if (closing) outgoing.setHeader("Connection", "close");
    void answer(incoming, outgoing);
  });
  server.maxConnections = settings.maxConnections ?? 1_000;
  server.setTimeout(settings.idleTimeoutMs ?? 120_000);
  const port = await listen(server, settings);
  const close = closer(server, settings.shutdownTimeoutMs ?? 10_000);
  const host = settings.host.includes(":") ? `[${settings.host}]` : settings.host;
  return {
    port,
    url: `http://${host}:${port}`,
    close: async () => {
      closing = true;
      await close();
    },
  };
}

/** What an app is told about the connection that a request came on. */
export type ConnectionBindings = Parameters<ServingApp["fetch"]>[1];

/** Anything that answers requests: the serving app, or several apps behind one address. */
export interface HttpApp {
  fetch(request: Request, bindings: ConnectionBindings): Response | Promise<Response>;
}
