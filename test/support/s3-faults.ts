import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** What goes wrong with one request. */
export type Fault =
  /** The server answers this and does nothing. */
  | { readonly kind: "answer"; readonly status: number; readonly code: string }
  /** The request is never answered; `applied` says whether it was carried out. */
  | { readonly kind: "silence"; readonly applied: boolean }
  /** The connection breaks; `applied` says whether the request was carried out. */
  | { readonly kind: "reset"; readonly applied: boolean }
  /** The request is carried out, and yet a server error is answered. */
  | { readonly kind: "applied-then"; readonly status: number }
  /** A server error is answered at once, and the request carried out later all the same. */
  | { readonly kind: "late"; readonly afterMs: number }
  | { readonly kind: "slow"; readonly byMs: number }
  /** The answer stops halfway. */
  | { readonly kind: "cut" }
  /** This body is answered instead, as an outdated or damaged copy would be. */
  | { readonly kind: "body"; readonly body: Buffer };

/** A request on its way to the server. */
export interface SeenRequest {
  readonly method: string;
  /** Key within the bucket, decoded; empty for requests about the bucket. */
  readonly key: string;
  readonly query: URLSearchParams;
  /** True for `If-None-Match: *`. */
  readonly conditional: boolean;
}

/** A proxy in front of an S3 server that can be told to fail. */
export interface FaultyS3 {
  readonly endpoint: string;
  /** Asked for every request; undefined lets it pass. */
  script: (request: SeenRequest) => Fault | undefined;
  readonly seen: SeenRequest[];
  /** The last good answer to a request for which `want` says true, for stale copies. */
  capture(want: (request: SeenRequest) => boolean): () => Buffer | undefined;
  stop(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

async function bytesOf(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function forward(target: URL, incoming: IncomingMessage, body: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        host: target.hostname,
        port: target.port,
        method: incoming.method,
        path: incoming.url,
        headers: incoming.headers,
      },
      (response) => {
        bytesOf(response).then(
          (answer) =>
            resolve({ status: response.statusCode ?? 500, headers: response.headers, body: answer }),
          reject,
        );
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

function see(incoming: IncomingMessage): SeenRequest {
  const url = new URL(incoming.url ?? "/", "http://localhost");
  const [, , ...key] = url.pathname.split("/");
  return {
    method: incoming.method ?? "GET",
    key: decodeURIComponent(key.join("/")),
    query: url.searchParams,
    conditional: incoming.headers["if-none-match"] === "*",
  };
}

function fail(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { "content-type": "application/xml" });
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>scripted</Message></Error>`);
}

function give(response: ServerResponse, answer: Answer, body = answer.body): void {
  const { "transfer-encoding": _, ...headers } = answer.headers;
  const length = response.req.method === "HEAD" ? headers["content-length"] : String(body.length);
  response.writeHead(answer.status, {
    ...headers,
    ...(length === undefined ? {} : { "content-length": length }),
  });
  response.end(body);
}

async function misbehave(fault: Fault, pass: () => Promise<Answer>, response: ServerResponse): Promise<void> {
  switch (fault.kind) {
    case "answer":
      return fail(response, fault.status, fault.code);
    case "silence":
      if (fault.applied) await pass();
      return;
    case "reset":
      if (fault.applied) await pass();
      response.destroy();
      return;
    case "applied-then":
      await pass();
      return fail(response, fault.status, "InternalError");
    case "late":
      fail(response, 500, "InternalError");
      await sleep(fault.afterMs);
      await pass();
      return;
    case "slow":
      await sleep(fault.byMs);
      return give(response, await pass());
    case "cut": {
      const answer = await pass();
      response.writeHead(answer.status, { ...answer.headers, "content-length": String(answer.body.length) });
      response.write(answer.body.subarray(0, answer.body.length >> 1));
      await sleep(20);
      response.destroy();
      return;
    }
    case "body": {
      const { "x-amz-checksum-crc32": _, "x-amz-checksum-sha256": __, ...headers } = (await pass()).headers;
      return give(response, { status: 200, headers, body: fault.body });
    }
  }
}

/** Starts a proxy in front of `upstream`; without one every request gets status 200 and an empty body, as from a careless server. */
export async function startFaultyS3(upstream: string | undefined): Promise<FaultyS3> {
  const seen: SeenRequest[] = [];
  const captures: { want: (request: SeenRequest) => boolean; body: Buffer | undefined }[] = [];
  const handle = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const request = see(incoming);
    seen.push(request);
    const body = await bytesOf(incoming);
    const pass = async (): Promise<Answer> => {
      const careless: Answer = { status: 200, headers: { etag: '"x"' }, body: Buffer.alloc(0) };
      const answer = upstream === undefined ? careless : await forward(new URL(upstream), incoming, body);
      for (const capture of captures) {
        if (answer.status === 200 && capture.want(request)) capture.body = answer.body;
      }
      return answer;
    };
    const fault = faulty.script(request);
    if (fault === undefined) give(response, await pass());
    else await misbehave(fault, pass, response);
  };
  const server = createServer((incoming, response) => {
    handle(incoming, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const faulty: FaultyS3 = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    script: () => undefined,
    seen,
    capture: (want) => {
      const capture: (typeof captures)[number] = { want, body: undefined };
      captures.push(capture);
      return () => capture.body;
    },
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return faulty;
}
