import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/** A request as it arrived. */
export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** Answers one request by hand. */
export type Answer = (response: ServerResponse, request: Received, incoming: IncomingMessage) => unknown;

/** A server on the loopback address that answers as it is told and keeps what it was asked. */
export interface ScriptedServer {
  /** Without a slash at the end. */
  readonly origin: string;
  readonly received: Received[];
  /** The most requests that were under way at once. */
  readonly most: () => number;
}

async function read(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function listen(server: Server, scheme: string): Promise<string> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () =>
      resolve(`${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`),
    );
  });
}

/** Starts a server that ends with the test. With an array, each request takes the next answer and the last one stays. */
export async function scriptedServer(
  answers: Answer | readonly Answer[],
  tls?: ServerOptions,
): Promise<ScriptedServer> {
  const received: Received[] = [];
  let running = 0;
  let most = 0;
  const handle = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const at = received.length;
    const request: Received = {
      method: incoming.method ?? "",
      path: incoming.url ?? "",
      headers: incoming.headers,
      body: "",
    };
    received.push(request);
    most = Math.max(most, ++running);
    response.on("close", () => running--);
    const body = await read(incoming).catch(() => "");
    received[at] = { ...request, body };
    const answer = typeof answers === "function" ? answers : answers[Math.min(at, answers.length - 1)]!;
    await answer(response, received[at], incoming);
  };
  const listener = (incoming: IncomingMessage, response: ServerResponse): void =>
    void handle(incoming, response);
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  const origin = await listen(server, tls === undefined ? "http" : "https");
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { origin, received, most: () => most };
}

/** An answer with a status, a JSON body and headers. */
export function json(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return (response) => {
    response.writeHead(status, { "content-type": "application/fhir+json", ...headers });
    response.end(JSON.stringify(body));
  };
}

/** An answer with a status and headers only. */
export function status(code: number, headers: Record<string, string> = {}): Answer {
  return (response) => {
    response.writeHead(code, headers);
    response.end();
  };
}

/** The connection is cut without an answer. */
export const cut: Answer = (response) => response.socket?.destroy();
