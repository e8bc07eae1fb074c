import { randomBytes } from "node:crypto";
import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import type { ServerClock } from "./clock.js";
import type { FhirRequest } from "./context.js";
import { fileOfLink, fileResponse } from "./export/routes.js";
import { spoilAnswer } from "./fault/after.js";
import { answerInstead } from "./fault/before.js";
import type { FaultScript } from "./fault/script.js";
import { FhirRefusal, refusalResponse } from "./outcome.js";
import type { RecordedRequest, RequestLog } from "./requests.js";
import type { ServerContext } from "./server-context.js";

type Incoming = Omit<FhirRequest, "client">;
type Call = Context<{ Bindings: HttpBindings }>;

/** Files that spoilt manifests name. */
export class FaultFiles {
  readonly #files = new Map<string, string>();

  /** Keeps a text; returns its path below the base. */
  keep(text: string): string {
    const name = randomBytes(12).toString("hex");
    this.#files.set(name, text);
    return `_fault-files/${name}`;
  }

  /** The file that a request names, if it names one. */
  answer(request: Incoming): Promise<Response> | undefined {
    const [folder, name = ""] = request.segments;
    const text = folder === "_fault-files" ? this.#files.get(name) : undefined;
    if (text === undefined) return undefined;
    return Promise.resolve(new Response(text, { headers: { "content-type": "application/fhir+ndjson" } }));
  }
}

/** The way of every request: it is recorded, faults strike, it is answered, the answer may be spoilt. */
export class Traffic {
  readonly #requests: RequestLog;
  readonly #faults: FaultScript;
  readonly #files: FaultFiles;
  readonly #clock: ServerClock;
  readonly #base: string;

  constructor(parts: {
    readonly requests: RequestLog;
    readonly faults: FaultScript;
    readonly faultFiles: FaultFiles;
    readonly clock: ServerClock;
    readonly base: string;
  }) {
    this.#requests = parts.requests;
    this.#faults = parts.faults;
    this.#files = parts.faultFiles;
    this.#clock = parts.clock;
    this.#base = parts.base;
  }

  /** Takes a request to its handler and back. */
  async through(
    call: Call,
    origin: "fhir" | "files",
    handle: (request: Incoming) => Promise<Response>,
  ): Promise<Response> {
    const record = this.#record(call, origin);
    const { strikes, watching } = this.#faults.strikes(record);
    record.faults.push(...strikes.map(({ fault }) => fault.kind));
    const instead = await answerInstead(strikes, record, this.#clock);
    const response = instead ?? (await this.#handled(call, record, handle));
    const { outgoing } = call.env;
    const answer = await spoilAnswer(response, instead === undefined ? strikes : [], watching, {
      cut: () => {
        this.#requests.end(record, false);
        outgoing.destroy();
      },
      keepFile: (text) => `${this.#base}/${this.#files.keep(text)}`,
    });
    this.#requests.answered(record, answer.status, answer.headers.get("retry-after"));
    return answer;
  }

  #record(call: Call, origin: "fhir" | "files"): RecordedRequest {
    const [path = "", query] = (call.env.incoming.url ?? "").split(/\?(.*)/s);
    const record = this.#requests.start({
      origin,
      method: call.req.method,
      path,
      query: query === undefined ? "" : `?${query}`,
      headers: call.req.header(),
    });
    const { outgoing } = call.env;
    outgoing.on("finish", () => this.#requests.end(record, true));
    outgoing.on("close", () => this.#requests.end(record, outgoing.writableFinished));
    return record;
  }

  async #handled(
    call: Call,
    record: RecordedRequest,
    handle: (request: Incoming) => Promise<Response>,
  ): Promise<Response> {
    const headers = new Headers(record.headers);
    // A line can be put into plain text only.
    if (record.faults.includes("garbage-line")) headers.delete("accept-encoding");
    try {
      return await handle({
        method: record.method,
        segments: record.path.split("/").slice(2).filter(Boolean).map(decodeURIComponent),
        query: new URLSearchParams(record.query),
        headers,
        body: async () => Buffer.from(await call.req.arrayBuffer()),
      });
    } catch (error) {
      if (error instanceof FhirRefusal) return refusalResponse(error);
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      return refusalResponse(new FhirRefusal(500, "exception", message));
    }
  }
}

/** The other origin: files by signed link. Like object stores, it refuses requests that carry credentials as well. */
export async function answerBucket(context: ServerContext, request: Incoming): Promise<Response> {
  if (request.headers.has("authorization"))
    throw new FhirRefusal(400, "invalid", "Only one way of authorization is allowed: the link is enough.");
  const [job = "", name = ""] = request.segments;
  return fileResponse(context, fileOfLink(context, job, name, request.query).file, request.headers);
}
