import { durationMs, type NotificationsConfig, readSecret, type Secret } from "#config";
import type { Dialect, SubscribeSettings } from "#ingestion";
import { LakeError } from "#kernel";
import type { SourceDefinition } from "../source-run/source.js";

/** How the changes of a source that is polled are looked for. */
export interface PollSettings {
  readonly everyMs: number;
  readonly overlapMs: number;
}

/** How Subscriptions of a source are kept. */
export interface KeepSettings {
  /** All but the dialect, which depends on the server's FHIR version. */
  readonly subscribe: Omit<SubscribeSettings, "dialect">;
  readonly kind: "rest-hook" | "medplum" | "topics";
  readonly lifetimeMs: number | undefined;
  readonly checkEveryMs: number;
  /** Undefined for numbered notifications, whose gaps are seen. */
  readonly catchUpEveryMs: number | undefined;
  readonly heartbeatMs: number | undefined;
}

/** How the changes of one source are followed: by polling, by Subscriptions that are kept here, or by such as somebody else keeps. */
export interface FollowSettings {
  readonly source: SourceDefinition;
  readonly poll: PollSettings | undefined;
  readonly keep: KeepSettings | undefined;
  /** A missing event may come late by this. */
  readonly graceMs: number;
}

const DEFAULT_GRACE_MS = 5000;

function keepSettings(
  source: SourceDefinition,
  notifications: NotificationsConfig,
): KeepSettings | undefined {
  const { subscribe, path = [], header, signature } = notifications;
  if (subscribe === undefined) return undefined;
  const secret = (reference: Secret, field: string): string =>
    readSecret(reference, `sources.${source.name}.notifications.${field}`, source);
  const byTopic = subscribe.kind === "topics";
  const criteria = byTopic
    ? []
    : (subscribe.criteria ?? source.config.types?.map((type) => `${type}?`) ?? noTypes(source.name));
  const { lifetime, tag } = subscribe;
  return {
    kind: subscribe.kind,
    subscribe: {
      source: source.name,
      endpointBase: `${subscribe.endpoint.replace(/\/+$/, "")}/notify/${source.name}/`,
      pathSecret: secret(path[0]!, "path[0]"),
      header:
        header === undefined
          ? undefined
          : { name: header.name, value: secret(header.values[0]!, "header.values[0]") },
      signatureKey: signature === undefined ? undefined : secret(signature.keys[0]!, "signature.keys[0]"),
      criteria,
      topics: subscribe.topics ?? [],
      payload: subscribe.payload ?? (byTopic ? "id-only" : "full-resource"),
      heartbeatSeconds: Math.max(1, Math.round(durationMs(subscribe.heartbeat) / 1000)),
      maxCount: subscribe.maxCount,
      deletes: subscribe.deletes,
      tag,
    },
    lifetimeMs: lifetime === undefined ? undefined : durationMs(lifetime),
    checkEveryMs: durationMs(subscribe.checkEvery),
    catchUpEveryMs: byTopic ? undefined : durationMs(subscribe.catchUpEvery),
    heartbeatMs: byTopic ? durationMs(subscribe.heartbeat) : undefined,
  };
}

function noTypes(source: string): never {
  throw new LakeError(
    "invalid-input",
    "app/nothing-to-subscribe",
    `Say what the source ${source} should tell: name its types (or criteria under notifications.subscribe).`,
  );
}

/** How a source is followed; undefined when only its runs bring anything. Secrets are read here. Errors: `config/missing-secret`, `app/nothing-to-subscribe`. */
export function followSettings(source: SourceDefinition): FollowSettings | undefined {
  const { notifications } = source.config;
  if (notifications === undefined) return undefined;
  const { poll, subscribe } = notifications;
  // Runs choose types by what views read; what is polled must be the same.
  if (poll !== undefined && source.config.types === undefined) noTypes(source.name);
  return {
    source,
    poll:
      poll === undefined
        ? undefined
        : { everyMs: durationMs(poll.every), overlapMs: durationMs(poll.overlap) },
    keep: keepSettings(source, notifications),
    graceMs: subscribe === undefined ? DEFAULT_GRACE_MS : durationMs(subscribe.grace),
  };
}

/** The form in which a server of this FHIR version takes Subscriptions of that kind. Errors: `app/no-such-subscriptions`. */
export function dialectOf(kind: KeepSettings["kind"], fhirVersion: string | undefined): Dialect {
  const release = /^(\d+)\.(\d+)/.exec(fhirVersion ?? "4.0.1");
  const [major, minor] = [Number(release?.[1] ?? 4), Number(release?.[2] ?? 0)];
  if (kind === "topics") return major >= 5 ? "r5-topics" : minor >= 1 ? "r4b-topics" : "r4-topics";
  if (major >= 5) {
    throw new LakeError(
      "invalid-input",
      "app/no-such-subscriptions",
      `The server speaks FHIR ${fhirVersion}, which has Subscriptions by topic only: set notifications.subscribe.kind to topics.`,
    );
  }
  return kind;
}
