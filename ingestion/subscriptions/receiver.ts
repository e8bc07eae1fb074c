import { Hono } from "hono";
import type { Definitions } from "#fhir";
import { type Clock, isLakeError, LakeError } from "#kernel";
import { instantOfMs, type NewChange } from "#landing";
import { type ChangeContext, ChangeReader, isPlaced } from "../changes/read-change.js";
import { Rejection } from "../quarantine/reason.js";
import { RateLimit } from "./rate-limit.js";
import { type Notification, NotificationReader } from "./read-notification.js";
import { isSender, isSigned, type Sender } from "./sender.js";
import type { TopicStatus } from "./topic-status.js";

/** A resource that a source has, by name. */
export interface SourceReference {
  readonly type: string;
  readonly id: string;
}

/** A notification that could not be used. */
export interface DeadLetter {
  readonly source: string;
  readonly sender: string;
  /** A quarantine reason. */
  readonly code: string;
  readonly message: string;
  /** The body as it came. */
  readonly body: Uint8Array;
}

/** What the endpoint does with what it gets; all of it is durable when the promise resolves. */
export interface ReceiverPorts {
  /** Records changes. */
  accept(changes: readonly NewChange[]): Promise<void>;
  /** Remembers that these resources must be read from the source. */
  fetchBack(source: string, references: readonly SourceReference[]): Promise<void>;
  /** Remembers that something of the source may be missing which only a run of it brings. `reason`: a sentence for people. */
  missed(source: string, reason: string): Promise<void>;
  deadLetter(letter: DeadLetter): Promise<void>;
  /** Follows event numbers, handshakes and heartbeats of a topic-based subscription. */
  status(sender: string, status: TopicStatus): Promise<void>;
  /** Newest landing of the lake, see `NewChange.sequence`. */
  sequence(): Promise<number>;
}

/** How the endpoint is set up. */
export interface ReceiverOptions {
  /** What paths begin with, `/notify` for example; nothing when absent. */
  readonly basePath?: string;
  /** By the name that stands in the path. */
  readonly senders: ReadonlyMap<string, Sender>;
  readonly ports: ReceiverPorts;
  readonly definitions: Definitions;
  readonly clock: Clock;
  /** Longest body in bytes. Default 8 MiB. */
  readonly maxBodyBytes?: number;
  /** Objects and arrays within each other. Default 64. */
  readonly maxDepth?: number;
  /** Requests per second and sender; more get 429. Default 5,000. */
  readonly maxPerSecond?: number;
  /** Told about each answer for logs and metrics; never about bodies, ids or secrets. */
  readonly onAnswer?: (event: { sender: string; status: number; code?: string }) => void;
}

/** The endpoint as an HTTP handler of its own. */
export interface Receiver {
  fetch(request: Request): Promise<Response>;
}

const RETRY_SECONDS = "5";
const UNSPECIFIED = "A notification said that something changed and not what.";
const REFUSED = "A notification came that could not be used.";

type Context = { readonly name: string; readonly sender: Sender };

/** Endpoint of FHIR Subscriptions: reads what servers send and answers 2xx only when it is durable. */
class Endpoint {
  private readonly options: ReceiverOptions;
  private readonly notifications: NotificationReader;
  private readonly changes: ChangeReader;

  constructor(options: ReceiverOptions) {
    this.options = options;
    const limits = { maxDepth: options.maxDepth ?? 64 };
    this.notifications = new NotificationReader(options.definitions, limits);
    this.changes = new ChangeReader(options.definitions, limits);
  }

  /** Everything of one notification, durably. Answers the HTTP status. */
  async take(context: Context, request: Parameters<NotificationReader["read"]>[0]): Promise<number> {
    const { source } = context.sender;
    const { ports } = this.options;
    let notification: Notification;
    let changes: NewChange[];
    try {
      notification = this.notifications.read(request);
      changes = await this.read(context.sender, notification);
    } catch (error) {
      if (!(error instanceof Rejection)) throw error;
      return await this.refuse(context, { status: 422, rejection: error, body: request.body });
    }
    if (changes.length > 0) await ports.accept(changes);
    const { references, unspecified, status } = notification;
    const unsure = notification.deletes.filter((deleted) => !isPlaced(deleted, context.sender.policy));
    const toRead = [...references, ...unsure.map(({ type, id }) => ({ type, id }))];
    if (toRead.length > 0) await ports.fetchBack(source, toRead);
    if (unspecified) await ports.missed(source, UNSPECIFIED);
    // Last: an event number that is remembered must have its change remembered.
    if (status !== undefined) await ports.status(context.name, status);
    this.options.onAnswer?.({ sender: context.name, status: 204 });
    return 204;
  }

  /** Keeps what cannot be used, and has a run bring what it was about. Answers the status, which says not to send it again. */
  async refuse(
    { name, sender: { source } }: Context,
    { status, rejection, body }: { status: 413 | 422; rejection: Rejection; body: Uint8Array },
  ): Promise<number> {
    const { ports, onAnswer } = this.options;
    const { code, message } = rejection;
    await ports.deadLetter({ source, sender: name, code, message, body });
    await ports.missed(source, REFUSED);
    onAnswer?.({ sender: name, status, code });
    return status;
  }

  private async read(sender: Sender, notification: Notification): Promise<NewChange[]> {
    const { ports, clock } = this.options;
    const context: ChangeContext = {
      source: sender.source,
      policy: sender.policy,
      receivedAt: instantOfMs(clock.now().getTime()),
      sequence: await ports.sequence(),
    };
    const updates = notification.updates.map((body) => this.changes.update(body, context));
    const deletes = notification.deletes
      .filter((deleted) => isPlaced(deleted, sender.policy))
      .map((deleted) => this.changes.delete(deleted, context));
    return [...updates, ...deletes];
  }
}

/** Bytes of the body as its sender tells them; undefined where it does not. */
function toldLength(headers: Headers): number | undefined {
  const length = headers.get("content-length");
  if (length === null || !/^\d+$/.test(length) || headers.has("transfer-encoding")) return undefined;
  return Number(length);
}

/** The whole body; undefined when it is longer than allowed. */
async function readBody(request: Request, maxBytes: number): Promise<Uint8Array | undefined> {
  const told = toldLength(request.headers);
  if (told !== undefined && told > maxBytes) return undefined;
  // HTTP holds a sender to the length that it told; reading piece by piece costs more than all the rest.
  if (told !== undefined) return new Uint8Array(await request.arrayBuffer());
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of request.body ?? []) {
    length += part.byteLength;
    if (length > maxBytes) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** The body itself is not kept: it was not read to its end. */
function tooLarge(maxBytes: number): { rejection: Rejection; body: Uint8Array } {
  const message = `The notification is longer than ${maxBytes} bytes.`;
  return { rejection: new Rejection("too-large", message, maxBytes), body: new Uint8Array() };
}

function answer(status: number, headers: Record<string, string> = {}): Response {
  return new Response(null, { status, headers: { "Cache-Control": "no-store", ...headers } });
}

/**
 * The endpoint, below its base path: `POST /<sender>/<secret>`, `PUT|DELETE /<sender>/<secret>/<Type>/<id>`. 204: durable. 401 without saying why: not a known sender
 * or not its secrets. 413, 415, 422: dead-lettered or refused, sending it again will not help. 429, 503 with Retry-After: send it again.
 */
export function createReceiver(options: ReceiverOptions): Receiver {
  const endpoint = new Endpoint(options);
  const rate = new RateLimit(options.maxPerSecond ?? 5000);
  const app = new Hono<{ Variables: { known: Context } }>().basePath(options.basePath ?? "/");
  app.use("/:sender/:secret/*", async (context, next) => {
    const name = context.req.param("sender");
    const sender = options.senders.get(name);
    if (sender === undefined || !isSender(sender, context.req.param("secret"), context.req.raw.headers)) {
      options.onAnswer?.({ sender: sender === undefined ? "unknown" : name, status: 401 });
      return answer(401);
    }
    if (!rate.take(name, options.clock.now().getTime())) {
      options.onAnswer?.({ sender: name, status: 429 });
      return answer(429, { "Retry-After": "1" });
    }
    context.set("known", { name, sender });
    await next();
  });
  const maxBytes = options.maxBodyBytes ?? 8 * 1024 * 1024;
  const tooLong = async (known: Context): Promise<number> => {
    if (known.sender.signature === undefined)
      return endpoint.refuse(known, { status: 413, ...tooLarge(maxBytes) });
    // Whether its sender signed it cannot be told without its end: it may be anybody's who knows the path.
    options.onAnswer?.({ sender: known.name, status: 413, code: "too-large" });
    return 413;
  };
  const handle = async (
    known: Context,
    request: Request,
    method: "POST" | "PUT" | "DELETE",
    target: SourceReference | undefined,
  ): Promise<Response> => {
    const body = await readBody(request, maxBytes);
    if (body === undefined) return answer(await tooLong(known));
    if (!isSigned(known.sender, body, request.headers)) {
      options.onAnswer?.({ sender: known.name, status: 401 });
      return answer(401);
    }
    return answer(await endpoint.take(known, { method, target, headers: request.headers, body }));
  };
  app.post("/:sender/:secret", (c) => handle(c.get("known"), c.req.raw, "POST", undefined));
  app.post("/:sender/:secret/", (c) => handle(c.get("known"), c.req.raw, "POST", undefined));
  app.put("/:sender/:secret/:type/:id", (c) =>
    handle(c.get("known"), c.req.raw, "PUT", { type: c.req.param("type"), id: c.req.param("id") }),
  );
  app.delete("/:sender/:secret/:type/:id", (c) =>
    handle(c.get("known"), c.req.raw, "DELETE", { type: c.req.param("type"), id: c.req.param("id") }),
  );
  app.notFound(() => answer(404));
  app.onError((error) => {
    const retry = isLakeError(error) && (error.retryable || error.kind === "unavailable");
    options.onAnswer?.({
      sender: "unknown",
      status: retry ? 503 : 500,
      code: error instanceof LakeError ? error.code : "internal",
    });
    // Whatever failed here is ours: the sender keeps the notification and tries again.
    return answer(503, { "Retry-After": RETRY_SECONDS });
  });
  return { fetch: async (request) => app.fetch(request) };
}
