import { z } from "zod";
import { secretSchema } from "./secret.js";
import { durationMs, isDuration } from "./units.js";
import { duration, url } from "./value-schemas.js";

const headerName = z.string().regex(/^[A-Za-z0-9-]+$/);

/**
 * A Subscription is renewed by the first check that finds less than half of its lifetime left, so checks must fall into that half: one that comes
 * in time whenever it was due, and one more for when that one is late or fails.
 */
const LIFETIME_IN_CHECKS = 4;

/** Whether a Subscription with this lifetime is always renewed before it ends; what is no duration is somebody else's to refuse. */
function isRenewedInTime(lifetime: string, checkEvery: string): boolean {
  if (!isDuration(lifetime) || !isDuration(checkEvery)) return true;
  return durationMs(lifetime) >= LIFETIME_IN_CHECKS * durationMs(checkEvery);
}

const topic = z.strictObject({
  topic: z.string().min(1).meta({ description: "canonical address of the topic" }),
  filters: z
    .array(z.string().regex(/^[A-Z][A-Za-z]+\?.+/))
    .default([])
    .meta({ description: "searches such as Encounter?patient=Patient/1 that narrow the topic" }),
});

const subscribe = z
  .strictObject({
    endpoint: url.meta({
      description: "address of this lake as the source's server reaches it, without /notify",
    }),
    kind: z.enum(["rest-hook", "medplum", "topics"]).default("rest-hook").meta({
      description:
        "rest-hook: R4 by criteria, as HAPI does it; medplum: R4 by criteria with Medplum's extensions; topics: R4 and R4B by the Subscriptions R5 Backport guide, R5 by its own",
    }),
    criteria: z
      .array(z.string().regex(/^[A-Z[].*/))
      .min(1)
      .optional()
      .meta({
        description: "searches to be told about (rest-hook, medplum); every type of the source when absent",
      }),
    topics: z.array(topic).min(1).optional().meta({ description: "needed for kind topics" }),
    payload: z.enum(["empty", "id-only", "full-resource"]).optional().meta({
      description: "what notifications carry; full-resource by criteria and id-only by topics when absent",
    }),
    heartbeat: duration.default("60s").meta({
      description: "topics: silence of twice this is noticed",
    }),
    maxCount: z.int().min(1).max(1000).default(20).meta({
      description: "topics: events that may come in one notification",
    }),
    deletes: z.boolean().default(true).meta({
      description: "ask for deletes by the server's extension (rest-hook, medplum)",
    }),
    lifetime: duration.optional().meta({
      description: `Subscriptions end after this and are renewed at half of it; at least ${LIFETIME_IN_CHECKS} times checkEvery, so that a check always comes before the end; they do not end when absent`,
    }),
    tag: z
      .string()
      .regex(/^[A-Za-z0-9.:_-]{1,64}$/)
      .optional()
      .meta({
        description:
          "Subscriptions with this tag are this lake's even when they point elsewhere; needed to clean up after the address changed",
      }),
    checkEvery: duration.default("5m").meta({
      description: "how often Subscriptions are compared with the configuration",
    }),
    catchUpEvery: duration.default("15m").meta({
      description:
        "by criteria: a run this often finds what got lost, because such notifications are not numbered",
    }),
    grace: duration.default("5s").meta({
      description: "topics: a missing event may come late by this before it is asked for",
    }),
  })
  .meta({ description: "keep Subscriptions on the source's server" });

const poll = z
  .strictObject({
    every: duration.default("5s"),
    overlap: duration.default("60s").meta({
      description: "each look goes back by this, for changes that became visible late",
    }),
  })
  .meta({ description: "ask the source again and again, for servers without Subscriptions" });

/** How changes of a source arrive between runs. Secrets are lists so that the next one can be accepted before the current one goes. */
export const notificationsSchema = z
  .strictObject({
    path: z.array(secretSchema).min(1).optional().meta({
      description:
        "secret segments of the path /notify/<source>/<secret>; Subscriptions are written with the first, all are accepted",
    }),
    header: z
      .strictObject({ name: headerName, values: z.array(secretSchema).min(1) })
      .optional()
      .meta({ description: "a header that every notification must carry, such as Authorization" }),
    signature: z
      .strictObject({ header: headerName, keys: z.array(secretSchema).min(1) })
      .optional()
      .meta({ description: "a header with the hex HMAC-SHA256 of the body" }),
    subscribe: subscribe.optional(),
    poll: poll.optional(),
  })
  .superRefine(({ path, header, signature, subscribe: wanted, poll: polling }, context) => {
    const problem = (where: string[], message: string): void =>
      context.addIssue({ code: "custom", path: where, message });
    if (polling !== undefined && (path ?? header ?? signature ?? wanted) !== undefined)
      problem(["poll"], "a source is either polled or sends notifications: leave out the one or the other");
    if (polling === undefined && path === undefined)
      problem([], "name the secrets of the path (path), or poll the source (poll)");
    if (wanted === undefined) return;
    if (wanted.kind === "topics" && wanted.topics === undefined)
      problem(["subscribe", "topics"], "name the topics to follow");
    if (wanted.kind === "topics" ? wanted.criteria !== undefined : wanted.topics !== undefined)
      problem(["subscribe"], "criteria are for rest-hook and medplum, topics for kind topics");
    if (wanted.kind !== "topics" && wanted.payload === "id-only")
      problem(["subscribe", "payload"], "id-only is for topics; use full-resource or empty");
    const { lifetime, checkEvery } = wanted;
    if (lifetime !== undefined && !isRenewedInTime(lifetime, checkEvery))
      problem(
        ["subscribe", "lifetime"],
        `must be at least ${LIFETIME_IN_CHECKS} times checkEvery (${checkEvery}), or Subscriptions end before a check renews them: make lifetime longer or checkEvery shorter`,
      );
  })
  .meta({ description: "how changes arrive between runs: notifications at /notify/<source>, or polling" });
