import type { ServerAuth } from "./auth/settings.js";
import type { ExportBehaviour } from "./export/jobs.js";
import type { FaultRule } from "./fault/rule.js";
import type { ProfileChanges, ProfileName } from "./profile.js";
import type { SubscriptionBehaviour } from "./subscription/behaviour.js";

/** How a server is started; everything has a default. */
export interface FhirServerOptions {
  /** Default "full". */
  readonly profile?: ProfileName;
  /** Deviations from the profile. */
  readonly changes?: ProfileChanges;
  /** Port of the FHIR API (default: a free one), on the loopback address. */
  readonly port?: number;
  /** Default: nothing is demanded. */
  readonly auth?: ServerAuth;
  readonly export?: Partial<ExportBehaviour>;
  /** Default: Subscriptions are stored and nothing is sent. */
  readonly subscriptions?: Partial<SubscriptionBehaviour>;
  /** For how long page links work (default ten minutes). */
  readonly pageKeepMs?: number;
  /** NDJSON files to begin with. */
  readonly load?: readonly string[];
  /**
   * Whether loaded resources get the server's meta and live in memory (default), or stay on disk byte for byte, which is for large
   * files; see load-ndjson.ts.
   */
  readonly stamp?: boolean;
  /** The machine's clock, milliseconds since 1970. */
  readonly now?: () => number;
  /** Faults from the first request on. */
  readonly faults?: readonly FaultRule[];
}

/** The default behaviour of exports: one poll is told to wait a second. */
export const DEFAULT_EXPORT: ExportBehaviour = {
  polls: 1,
  durationMs: 0,
  retryAfter: 1,
  requiresAccessToken: undefined,
  keepMs: 3_600_000,
  linkMs: undefined,
  filesPerPage: 2,
};
