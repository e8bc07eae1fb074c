import { rm } from "node:fs/promises";
import { defaultTarget, publishedSnapshot } from "#delta";
import { Database } from "#duckdb";
import { createReceiver, type Receiver, type ReceiverPorts, type Sender } from "#ingestion";
import { isLakeError, systemClock } from "#kernel";
import { keepCompact, type Lake, recordedErasures } from "#lake";
import {
  CohortService,
  CohortStore,
  createQuery,
  type HotCopiesOptions,
  lakeCatalog,
  lakeVersions,
  mergedCatalog,
  policedCatalog,
  ReleaseGuard,
  type SavedQuery,
  withSystemViews,
} from "#query";
import { Ledger } from "#runs";
import {
  allowedHosts,
  createApp,
  createLogger,
  type HttpApp,
  JOB_LIMITS,
  Jobs,
  type Logger,
  logLevel,
  type RunningServer,
  type SelfCheck,
  type SpeedState,
  startServer,
} from "#serving";
import type { ServerAccess } from "./access/configured-access.js";
import { type Canary, type CanaryOptions, startCanary } from "./canary.js";
import { compactInTurn } from "./compact-in-turn.js";
import { DeadLetterCounts } from "./dead-letter-counts.js";
import { limitedLetters } from "./dead-letter-limit.js";
import { type FetchBackOptions, startFetchBack } from "./fetch-back/index.js";
import { forgetErased } from "./forget-erased.js";
import { startHotCopies } from "./hot-copies.js";
import { type Live, type LiveOptions, startLive } from "./live.js";
import { Opened } from "./opened.js";
import { lakePins } from "./pins.js";
import { journalPorts } from "./receive.js";
import { servingKey } from "./serving-key.js";
import { orderedPorts, SourceOrders } from "./source-orders.js";
import { type FollowOptions, startFollowing } from "./subscribe/follower.js";
import { runsView } from "./system-views.js";
import { keepReceivedTrimmed } from "./trim-received.js";

/** Where to serve. */
export interface ServeOptions {
  readonly host: string;
  readonly port: number;
  readonly memoryLimitBytes?: number;
  /** Follow a journal: changes since the snapshot are in answers, and notifications are accepted. */
  readonly live?: LiveServing | undefined;
  /** How merged reads are compared with themselves in the background; by default once a minute at most, with the log alone as alarm. */
  readonly selfCheck?: SelfCheckOptions;
  /** By source: data older than so many milliseconds are shown as stale. */
  readonly stalenessTargets?: Readonly<Record<string, number>>;
  /** Counts of persons from 1 to one less are not shown; 0 shows all. Default 11. */
  readonly smallCell?: number;
  /** Rows of one answer at most, said by its headers where it is cut; no bound when absent. */
  readonly maxRows?: number;
  /** Where others reach the server, a proxy perhaps; the address of each request when absent. */
  readonly publicUrl?: URL;
  /** Queries that can be run by their name. */
  readonly savedQueries?: ReadonlyMap<string, SavedQuery>;
  /** Decides who may ask what and sees what; everybody everything when absent. The caller closes it, after the server. */
  readonly access?: ServerAccess;
  /** Which copies of views that are asked for again and again are kept. By default 4 GiB of the disk; with 0 none are. */
  readonly hotCopies?: Partial<Pick<HotCopiesOptions, "mostBytes" | "times" | "leastRows">>;
  /** Merge layers in the background while serving. Default true. */
  readonly compaction?: boolean;
}

/** What serving live changes takes. */
export interface LiveServing {
  readonly journal: LiveOptions["journal"];
  readonly redisUrl?: LiveOptions["redisUrl"];
  /** Who may send notifications to `/notify/<name>/<secret>`. */
  readonly senders: ReadonlyMap<string, Sender>;
  /** Views that a new lake starts with. */
  readonly views: LiveOptions["views"];
  /** Of sources that send nothing; senders bring theirs. */
  readonly orders?: LiveOptions["orders"];
  readonly flush?: LiveOptions["flush"];
  /** How resources are read that notifications only name; without it such notifications wait in the journal. */
  readonly fetchBack?: Pick<FetchBackOptions, "source" | "sources">;
  /** Sources whose Subscriptions are kept and watched, or that are polled; needs `fetchBack`. */
  readonly follow?: Pick<FollowOptions, "sources" | "catchUp">;
}

/** How a server checks itself, see {@link startCanary}. */
export type SelfCheckOptions = Pick<
  CanaryOptions,
  "everyMs" | "viewsPerCheck" | "mostRows" | "onResult" | "onDifference"
>;

/** A server, and its live side where it has one. */
export interface LakeServer extends RunningServer {
  readonly live: Live | undefined;
}

const MIB = 1 << 20;
const DEFAULT_HOT_COPY_BYTES = 4096 * MIB;
/** The threshold of CMS and PCORnet. */
const DEFAULT_SMALL_CELL = 11;
const NOTIFY = "/notify";

/** One address for both edges: notifications go to the receiver, everything else is a question. */
function withReceiver(app: HttpApp, receiver: Receiver): HttpApp {
  return {
    fetch: (request, bindings) => {
      const { url } = request;
      const path = url.indexOf("/", url.indexOf("//") + 2);
      return url.startsWith(`${NOTIFY}/`, path) ? receiver.fetch(request) : app.fetch(request, bindings);
    },
  };
}

/**
 * Serves a lake over HTTP. Reading has an engine of its own that keeps file order, so that equal questions get equal bytes.
 * `close` waits for answers under way, then frees the engine; the lake stays the caller's to close.
 */
export async function serveLake(lake: Lake, options: ServeOptions): Promise<LakeServer> {
  const opened = new Opened();
  try {
    return await serving(lake, options, opened);
  } catch (error) {
    await opened.close().catch(() => undefined);
    throw error;
  }
}

async function serving(lake: Lake, options: ServeOptions, opened: Opened): Promise<LakeServer> {
  const temporaryFolder = await lake.store.stagingDirectory("answers");
  opened.add(() => rm(temporaryFolder, { recursive: true, force: true }));
  const memoryLimitBytes = Math.max(256 * MIB, (options.memoryLimitBytes ?? 1024 * MIB) / 2);
  const database = await Database.open({
    memoryLimitBytes,
    tempDirectory: temporaryFolder,
    preserveInsertionOrder: true,
    keepParquetFooters: true,
  });
  opened.add(() => database.close());
  const log = createLogger({ level: logLevel(process.env["FHIR_LAKE_LOG"]) });
  const runs = new Ledger({ store: lake.store, clock: systemClock });
  const hot = await startHotCopies(lake, {
    mostBytes: DEFAULT_HOT_COPY_BYTES,
    ...options.hotCopies,
    database,
    memoryLimitBytes: Math.max(128 * MIB, memoryLimitBytes / 4),
    onError: (error) => log.warn("copying a view", { code: codeOf(error) }),
  });
  opened.add(() => hot?.close());
  const batch = lakeCatalog(lake, hot);
  const live = await liveSide(lake, database, options.live, log);
  opened.add(() => live?.close());
  const data = live === undefined ? batch : mergedCatalog({ batch, live: live.rows, database });
  const { access } = options;
  const whole = withSystemViews(data, [runsView(runs)]);
  const catalog =
    access === undefined ? whole : policedCatalog(whole, { policy: () => access.scope.policy(), database });
  const canary = live === undefined ? undefined : canaryOf(lake, { live, batch, database }, options, log);
  opened.add(() => canary?.stop());
  const { publicUrl } = options;
  const allowed = allowedHosts(options.host, publicUrl);
  const query = createQuery({ catalog, database, temporaryFolder }, { sandbox: { warm: true } });
  opened.add(() => query.close());
  const jobs = await jobsOf(lake);
  opened.add(() => jobs.close());
  const cursorKey = await servingKey(lake.store);
  const deadLetters = new DeadLetterCounts();
  const questions = createApp({
    catalog,
    query,
    cohorts: new CohortService({
      catalog,
      database,
      temporaryFolder,
      store: new CohortStore(lake.store, systemClock),
      smallCell: options.smallCell ?? DEFAULT_SMALL_CELL,
      guard: new ReleaseGuard(),
      versions: lakeVersions(lake),
    }),
    clock: systemClock,
    ...(cursorKey === undefined ? {} : { cursorKey }),
    runs,
    pins: lakePins(lake, live),
    jobs,
    ...(publicUrl === undefined ? {} : { publicOrigin: publicUrl.origin }),
    ...(options.maxRows === undefined ? {} : { maxRows: options.maxRows }),
    ...(options.savedQueries === undefined ? {} : { savedQueries: options.savedQueries }),
    published: () => publishedSnapshot(lake, defaultTarget(lake.store)),
    ...(live === undefined
      ? {}
      : { liveStates: live.states, speed: () => speedState(live), deadLetters: () => deadLetters.all() }),
    ...(hot === undefined ? {} : { hotCopies: () => hot.state() }),
    ...(canary === undefined ? {} : { selfCheck: () => shownCheck(canary) }),
    ...(options.stalenessTargets === undefined ? {} : { stalenessTargets: options.stalenessTargets }),
    ...(allowed === undefined ? {} : { allowedHosts: allowed }),
    ...(access === undefined ? {} : { access: access.access(log) }),
    log,
  });
  const ports = live === undefined ? undefined : deadLetters.counted(portsOf(lake, live));
  const app =
    ports === undefined
      ? questions
      : withReceiver(questions, receiverOf(lake, ports, options.live!.senders, log));
  const fetching =
    live === undefined || options.live?.fetchBack === undefined
      ? undefined
      : startFetchBack({
          ...options.live.fetchBack,
          lake,
          ports: ports!,
          journal: live.journal,
          rows: live.rows,
          clock: systemClock,
          onError: (error) => log.error("fetching back", { code: codeOf(error) }),
        });
  opened.add(() => fetching?.stop());
  const server = await startServer(app, { host: options.host, port: options.port });
  opened.add(() => server.close());
  // Only now: a server that is asked for notifications sends the first one at once.
  const following =
    live === undefined || fetching === undefined || !isFollowing(options.live, live)
      ? undefined
      : startFollowing({
          ...options.live!.follow!,
          lake,
          journal: live.journal,
          rows: live.rows,
          states: live.states,
          source: options.live!.fetchBack!.source,
          fetching,
          ports: ports!,
          clock: systemClock,
          onError: (error) => log.error("following sources", { code: codeOf(error) }),
        });
  opened.add(() => following?.stop());
  const background = new AbortController();
  const compacting =
    options.compaction === false
      ? Promise.resolve()
      : keepCompact(lake, {
          signal: background.signal,
          compact: (round) => compactInTurn(lake, round),
          onError: (error) =>
            log.error("background compaction", {
              code: codeOf(error),
              ...(isLakeError(error) && Array.isArray(error.details["failed"])
                ? { failed: error.details["failed"].join(", ") }
                : {}),
            }),
        });
  const trimming = trimReceivedOf(live, options.live, background.signal, log);
  const forgetting = forgetErased(lake, {
    signal: background.signal,
    forget: async () => {
      batch.forget();
      await hot?.forget();
      await database.forgetFiles();
      await lake.database.forgetFiles();
      await query.forget();
      await jobs.forget();
    },
    onError: (error) => log.error("forgetting the erased", { code: codeOf(error) }),
  });
  opened.add(async () => {
    background.abort();
    await Promise.all([compacting, forgetting, trimming]);
  });
  return { ...server, live, close: () => opened.close() };
}

/** The jobs of this machine's servers of the lake, without what earlier servers left undone or an erasure has taken since. */
async function jobsOf(lake: Lake): Promise<Jobs> {
  const jobs = new Jobs(await lake.store.workDirectory("jobs"), systemClock, JOB_LIMITS);
  await jobs.sweep();
  const erasures = await recordedErasures(lake);
  const newest = Math.max(...erasures.map(({ request }) => Date.parse(request.requestedAt)));
  if (erasures.length > 0) await jobs.forget(new Date(newest));
  return jobs;
}

/** True when there is something to follow, or somebody followed what nobody follows any more. */
function isFollowing(serving: LiveServing | undefined, { states }: Live): boolean {
  const follow = serving?.follow;
  if (follow === undefined) return false;
  return follow.sources.length > 0 || states.sourceStates().some(({ state }) => state !== "off");
}

function canaryOf(
  lake: Lake,
  { live, batch, database }: Pick<CanaryOptions, "batch" | "database"> & { readonly live: Live },
  { selfCheck = {} }: ServeOptions,
  log: Logger,
): Canary {
  return startCanary({
    ...selfCheck,
    lake,
    journal: live.journal,
    rows: live.rows,
    database,
    batch,
    clock: systemClock,
    onDifference: async (result) => {
      const views = result.differences.map(({ view }) => view).join(", ");
      log.error("merged reads differ", { views, before: result.before, after: result.after });
      await selfCheck.onDifference?.(result);
    },
    onError: (error) => log.error("checking merged reads", { code: codeOf(error) }),
  });
}

/** What `/freshness` shows of the last check. */
function shownCheck(canary: Canary): SelfCheck | undefined {
  const last = canary.last();
  if (last === undefined) return undefined;
  const { checkedAt, before, after, epoch, compared, differences } = last;
  return { checkedAt, snapshots: [before, after], epoch, compared, differences };
}

/** What metrics tell of the live side. */
async function speedState({ rows, journal }: Live): Promise<SpeedState> {
  const { liveResources, position } = rows.state();
  return { liveResources, position, head: await journal.head() };
}

/** Keeps what notifications leave in the journal from growing for ever. */
async function trimReceivedOf(
  live: Live | undefined,
  serving: LiveServing | undefined,
  signal: AbortSignal,
  log: Logger,
): Promise<void> {
  if (live === undefined) return;
  const fetchBack = serving?.fetchBack;
  await keepReceivedTrimmed({
    journal: live.journal,
    // A process that reads nothing back does not know what another one has yet to read.
    isRead: (source) => fetchBack === undefined || fetchBack.source(source) !== undefined,
    clock: systemClock,
    signal,
    onError: (error) => log.error("trimming what was received", { code: codeOf(error) }),
  });
}

/** What may be logged of an error. */
function codeOf(error: unknown): string {
  return isLakeError(error) ? error.code : "internal";
}

function liveSide(
  lake: Lake,
  database: Database,
  live: LiveServing | undefined,
  log: Logger,
): Promise<Live> | undefined {
  if (live === undefined) return undefined;
  const { journal, redisUrl, views, flush } = live;
  const orders = new Map(live.orders);
  for (const { source, policy } of live.senders.values()) orders.set(source, policy);
  return startLive({
    lake,
    database,
    journal,
    redisUrl,
    views,
    orders,
    ...(flush === undefined ? {} : { flush }),
    onError: (error) => log.error("live changes", { code: codeOf(error) }),
  });
}

/** Where all that brings changes puts them. */
function portsOf(lake: Lake, { journal }: Live): ReceiverPorts {
  const ports = limitedLetters(journalPorts(lake, journal), systemClock);
  return orderedPorts(ports, new SourceOrders(lake, journal));
}

function receiverOf(
  lake: Lake,
  ports: ReceiverPorts,
  senders: LiveServing["senders"],
  log: Logger,
): Receiver {
  return createReceiver({
    basePath: NOTIFY,
    senders,
    ports,
    definitions: lake.definitions,
    clock: systemClock,
    onAnswer: ({ sender, status, code }) => {
      if (status >= 400) log.warn("notification refused", { sender, status, code: code ?? "" });
    },
  });
}

/** Resolves at the first SIGINT or SIGTERM. */
export function untilStopped(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve(signal));
  });
}
