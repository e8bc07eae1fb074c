import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import type { Clock } from "#kernel";
import type {
  CohortService,
  HotCopiesState,
  LakeCatalog,
  QueryService,
  SavedQuery,
  SourceLiveStates,
} from "#query";
import type { Ledger } from "#runs";
import type { JsonSchema } from "./http/describe.js";
import type { Jobs } from "./jobs/jobs.js";
import type { Logger } from "./log.js";
import type { ServerMetrics } from "./observe/metrics.js";
import type { Timing } from "./observe/timing.js";
import type { CursorCodec } from "./question/cursor.js";

/** The runs of sources, as far as they are shown here. */
export type RunLedger = Pick<Ledger, "list" | "get">;

/** The snapshot that tables published for other engines hold, and when it was published. */
export interface PublishedSnapshot {
  readonly snapshot: number;
  readonly publishedAt: string;
}

/** What comparing answers over successive snapshots came to, as `/freshness` shows it. */
export interface SelfCheck {
  /** ISO instant. */
  readonly checkedAt: string;
  /** The two snapshots that views were read over, at one epoch. */
  readonly snapshots: readonly [number, number];
  readonly epoch: number;
  /** Names of the views. */
  readonly compared: readonly string[];
  /** Views whose rows were not the same, and how many rows only the older or only the newer state had. */
  readonly differences: readonly {
    readonly view: string;
    readonly onlyBefore: number;
    readonly onlyAfter: number;
  }[];
}

/** A promise to keep a state readable under a name. */
export interface StatePin {
  readonly name: string;
  readonly snapshot: number;
  /** ISO instants; without `until` it holds until it is released. */
  readonly createdAt: string;
  readonly until?: string;
}

/** The pins of a lake. */
export interface Pins {
  /** Pins a snapshot, or everything accepted so far. Fails when the name is taken or was. */
  create(request: {
    readonly name: string;
    readonly snapshot?: number;
    readonly lifetimeMs?: number;
  }): Promise<StatePin>;
  list(): Promise<readonly StatePin[]>;
  /** Fails with kind `not-found`. */
  find(name: string): Promise<StatePin>;
  release(name: string): Promise<StatePin>;
}

/** What the speed layer of a process holds and has before it. */
export interface SpeedState {
  /** Resources with a version that no snapshot covers. */
  readonly liveResources: number;
  /** Position in the journal up to which changes can be read here. */
  readonly position: number;
  /** Position of the last change in the journal. */
  readonly head: number;
}

/** How many notifications of a source this process has refused for one reason. */
export interface DeadLetterCount {
  readonly source: string;
  /** A quarantine reason. */
  readonly code: string;
  readonly count: number;
}

/** What the routes work with. */
export interface ServingDependencies {
  readonly catalog: LakeCatalog;
  readonly query: QueryService;
  /** Runs what the server asks of the lake for itself, whose answers hold none of its rows. */
  readonly asServer: <T>(work: () => T) => T;
  /** Opaque name of who asks, in what they may see: what is made for it is found by nobody else. Empty where nobody is asked who they are. */
  readonly owner: () => string;
  /** Absent where no cohorts are kept. */
  readonly cohorts: CohortService | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: ServerMetrics;
  /** Tells the work of the speed layer; absent without one. */
  readonly speed: (() => Promise<SpeedState>) | undefined;
  /** Tells what notifications were kept as dead letters since the process began; absent where none are accepted. */
  readonly deadLetters: (() => readonly DeadLetterCount[]) | undefined;
  /** Tells what copies of views are kept; absent where none are. */
  readonly hotCopies: (() => HotCopiesState) | undefined;
  /** OpenAPI security schemes by name: the ways in which callers may say who they are. */
  readonly securitySchemes: Readonly<Record<string, JsonSchema>>;
  /** True where callers need not say who they are. */
  readonly isOpen: boolean;
  /** True when who asks just now has shown a credential. */
  readonly showsCredential: () => boolean;
  /** Names the release in entity tags, since another release may write other bytes. */
  readonly release: string;
  /** Absent where states cannot be pinned. */
  readonly pins: Pins | undefined;
  readonly cursors: CursorCodec;
  /** No answer has more rows than this; undefined for no such cap. */
  readonly maxRows: number | undefined;
  /** Scheme, host and port by which others reach the server; undefined: as each request does. */
  readonly publicOrigin: string | undefined;
  /** A query that runs longer than this is stopped. */
  readonly queryTimeoutMs: number;
  /** By name. */
  readonly savedQueries: ReadonlyMap<string, SavedQuery>;
  /** Absent where no answers can be kept. */
  readonly jobs: Jobs | undefined;
  /** A job that runs longer than this is stopped. */
  readonly jobDeadlineMs: number;
  /** The runs of sources; absent where none are kept. */
  readonly runs: RunLedger | undefined;
  /** By source: data older than so many milliseconds are stale. */
  readonly stalenessTargets: Readonly<Record<string, number>>;
  /** How the changes of each source arrive now; absent without a speed layer. */
  readonly liveStates: SourceLiveStates | undefined;
  /** The last check of merged reads; undefined where none was made. */
  readonly selfCheck: () => SelfCheck | undefined;
  /** Says what is published for other engines; undefined where nothing is. */
  readonly published: () => Promise<PublishedSnapshot | undefined>;
}

/** What the middleware notes about a request for the routes and for the log. */
export interface RequestNotes {
  requestId: string;
  readonly timing: Timing;
  /** Pattern of the route that answers; absent where none does. */
  route?: string;
  /** What the answer may load, where it is a page that needs more than styles. */
  contentSecurityPolicy?: string;
  view?: string;
  format?: string;
  rowCount?: number;
  /** The code of the error that the request ended in. */
  code?: string;
}

/** What a request asked in SQL, for the audit log. */
export interface AskedStatement {
  readonly sql: string;
  /** JSON of the parameters' values. */
  readonly parameters: string;
  /** Names of the views that it reads; empty as long as they are not known. */
  readonly views: readonly string[];
}

/** Hono's type parameters for this server: bindings are absent when a test calls the app without a socket. */
export interface ServingEnv {
  Bindings: Partial<HttpBindings>;
  Variables: { notes: RequestNotes; statement?: AskedStatement };
}

/** The context of one request to this server. */
export type ServingContext = Context<ServingEnv>;
