import { createHmac } from "node:crypto";
import { isSecret, readSecret, type SecretContext, type WebhookConfig } from "#config";
import type { Clock } from "#kernel";
import type { RunContext } from "./context.js";
import type { SourceDefinition } from "./source.js";

/** What a webhook is told. Names of sources and types, codes and times: no patient data. */
export interface WebhookEvent {
  readonly event: "failure" | "staleness" | "difference";
  /** Of failure and staleness. */
  readonly source?: string;
  readonly at: string;
  readonly runId?: string;
  readonly state?: string;
  readonly error?: { readonly code: string; readonly message: string };
  /** Of staleness: the server's time up to which the lake is complete, and the target in milliseconds. */
  readonly upTo?: string | null;
  readonly targetMs?: number;
  /** Of difference: two snapshots over which merged reads must agree and do not, and the names of the views. */
  readonly snapshots?: readonly [number, number];
  readonly views?: readonly string[];
}

/** How webhooks are sent. */
export interface WebhookContext extends SecretContext {
  readonly clock: Clock;
  readonly sleep?: (ms: number) => Promise<void>;
}

const ATTEMPTS = 4;
const FIRST_WAIT_MS = 1000;
const TIMEOUT_MS = 10_000;

/**
 * The signature of a body: lowercase hex HMAC-SHA256 over `<timestamp>.<body>`. A receiver computes it again with the shared secret,
 * compares in constant time and refuses timestamps that are old.
 */
export function signature(secret: string, timestamp: string, body: string): string {
  return createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex");
}

async function post(
  hook: WebhookConfig,
  url: string,
  event: WebhookEvent,
  context: WebhookContext,
): Promise<boolean> {
  const body = JSON.stringify(event);
  const timestamp = String(Math.floor(context.clock.now().getTime() / 1000));
  const headers: Record<string, string> = {
    "Content-Type": "application/json",
    "X-Fhir-Lake-Event": event.event,
    "X-Fhir-Lake-Timestamp": timestamp,
  };
  if (hook.secret !== undefined) {
    const secret = readSecret(hook.secret, "webhooks.secret", context);
    headers["X-Fhir-Lake-Signature"] = `sha256=${signature(secret, timestamp, body)}`;
  }
  const answer = await fetch(url, {
    method: "POST",
    headers,
    body,
    // A receiver that moved is to be configured anew: what a redirect points to was never trusted.
    redirect: "manual",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  await answer.body?.cancel();
  return answer.status >= 200 && answer.status < 300;
}

async function deliver(hook: WebhookConfig, event: WebhookEvent, context: WebhookContext): Promise<boolean> {
  const sleep = context.sleep ?? ((ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)));
  const url = isSecret(hook.url) ? readSecret(hook.url, "webhooks.url", context) : (hook.url as string);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (attempt > 0) await sleep(FIRST_WAIT_MS * 4 ** (attempt - 1));
    if (await post(hook, url, event, context).catch(() => false)) return true;
  }
  return false;
}

/**
 * Tells every webhook that wants to hear of such an event, each with a few tries. Answers how many could not be told; that never
 * makes a run fail.
 */
export async function sendWebhooks(
  hooks: readonly WebhookConfig[],
  event: WebhookEvent,
  context: WebhookContext,
): Promise<number> {
  const wanted = hooks.filter((hook) => hook.on.includes(event.event));
  const told = await Promise.all(wanted.map((hook) => deliver(hook, event, context).catch(() => false)));
  return told.filter((delivered) => !delivered).length;
}

/** {@link sendWebhooks} for a source of a lake; what could not be told is logged. */
export async function tellWebhooks(
  { config, clock, log }: Pick<RunContext, "config" | "clock" | "log">,
  { environment, folder, name }: SourceDefinition,
  event: WebhookEvent,
): Promise<void> {
  const lost = await sendWebhooks(config.webhooks, event, { environment, folder, clock });
  if (lost > 0) log?.(`${lost} webhooks could not be told of a ${event.event} of ${name}`);
}
