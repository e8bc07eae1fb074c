/** A topic of Subscriptions: which changes of which types are events. */
export interface Topic {
  readonly url: string;
  readonly resources: readonly {
    readonly type: string;
    readonly on: readonly ("create" | "update" | "delete")[];
  }[];
}

/** How a server does Subscriptions. */
export interface SubscriptionBehaviour {
  /**
   * `none`: Subscriptions are resources like others and nothing is sent. `rest-hook`: R4 by criteria, as HAPI does it (PUT and, by its
   * extension, DELETE below the endpoint; active without a handshake). `medplum`: R4 by criteria, POST of the bare resource, signed, deletes
   * by header. `r4-topics`: Subscriptions R5 Backport. `r4b-topics`: the same with SubscriptionStatus. `r5-topics`: R5.
   */
  readonly kind: "none" | "rest-hook" | "medplum" | "r4-topics" | "r4b-topics" | "r5-topics";
  readonly topics: readonly Topic[];
  /** The operation `$events`; absent, it is answered 404. */
  readonly events: boolean;
  /** The operation `$status`. */
  readonly status: boolean;
  /** So many newest events can be asked for by `$events`. */
  readonly keepEvents: number;
  /** Tries of one delivery; after the last the notification is dropped. */
  readonly tries: number;
  /** Pause between tries. */
  readonly retryMs: number;
  /** Dropped notifications in a row that put the subscription into `error` (`off` for `medplum`); undefined: never. */
  readonly failuresToError: number | undefined;
  /** Milliseconds that a delivery may take. */
  readonly timeoutMs: number;
  /** A second of a heartbeat period lasts this many milliseconds, so that tests need not wait for minutes. */
  readonly secondMs: number;
}

/** Patient, Observation and whatever else: every change of every type. */
export const EVERYTHING_TOPIC = "http://example.org/topics/everything";

/** Nothing is sent. */
export const DEFAULT_SUBSCRIPTIONS: SubscriptionBehaviour = {
  kind: "none",
  topics: [
    {
      url: EVERYTHING_TOPIC,
      resources: ["Condition", "Encounter", "Observation", "Patient"].map((type) => ({
        type,
        on: ["create", "update", "delete"],
      })),
    },
  ],
  events: true,
  status: true,
  keepEvents: 10_000,
  tries: 2,
  retryMs: 20,
  failuresToError: 2,
  timeoutMs: 5000,
  secondMs: 1000,
};
