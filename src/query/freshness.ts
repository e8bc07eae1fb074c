import type { SourceState } from "#lake";
import type { SourceLiveCode, SourceLiveState } from "#speed";
import type { ReadState } from "./catalog.js";

/** How fresh and how complete one source is. */
export interface SourceFreshness {
  readonly name: string;
  /** `stale` past its target, else what its notifications do, else `batch`: brought by runs or files alone. */
  readonly state: SourceLiveCode | "stale" | "batch";
  /** The server's time up to which every type was read by runs; null when no run has told. */
  readonly upTo: string | null;
  /** Whole seconds since `upTo`; 0 while every change is sent here. */
  readonly ageSeconds: number | null;
  readonly targetSeconds: number | null;
  /** Null without a target. */
  readonly stale: boolean | null;
  /** False when deletes up to the watermarks may be missing; null when nobody looked. */
  readonly deletesVerified: boolean | null;
  /** How its changes arrive between runs; null when nothing ever brought any. */
  readonly live: SourceLiveState | null;
}

/** How fresh and how complete an answer is. */
export interface Freshness {
  readonly snapshot: number;
  /** When the snapshot was committed. */
  readonly asOf: string;
  /** Journal position up to which changes since are in the answer; null when only the snapshot is read. */
  readonly epoch: number | null;
  /**
   * Every change acknowledged more than so many whole seconds before the answer was opened is in it; 0 when all are, give or take a second. Null where that
   * cannot be known: for a snapshot asked for by number, and where the journal is not followed.
   */
  readonly lagSeconds: number | null;
  /**
   * The worst of: `degraded` (live changes cannot be followed), `incomplete` (a source's notifications were missed and not made up for),
   * `stale` (a source is older than its target), `ok`. `pinned`: a snapshot asked for by number, whatever came since.
   */
  readonly state: "ok" | "stale" | "incomplete" | "degraded" | "pinned";
  /** Why it is not `ok`, for people; empty when it is. */
  readonly reasons: readonly string[];
  /** False when some source cannot tell about all deletes. */
  readonly deletesVerified: boolean;
  /** By name. */
  readonly sources: readonly SourceFreshness[];
}

/** What the freshness of an answer is judged by, beside the state that it was read from. */
export interface FreshnessContext {
  readonly now: Date;
  /** By source: data older than so many milliseconds are stale. */
  readonly stalenessTargets?: Readonly<Record<string, number>>;
  /** How the changes of each source arrive now. */
  readonly liveStates?: readonly SourceLiveState[];
}

const MISSED: ReadonlySet<string> = new Set(["catching-up", "gap", "error"]);

function wholeSeconds(ms: number): number {
  return Math.max(0, Math.floor(ms / 1000));
}

function sourceFreshness(
  name: string,
  source: SourceState | undefined,
  { now, stalenessTargets = {}, liveStates = [] }: FreshnessContext,
): SourceFreshness {
  const notified = liveStates.find((one) => one.source === name);
  const marks = Object.values(source?.watermarks ?? {}).sort((a, b) => Date.parse(a) - Date.parse(b));
  const upTo = marks[0] ?? null;
  const isLive = notified?.state === "live";
  const readMs = upTo === null ? null : now.getTime() - Date.parse(upTo);
  const ageMs = isLive ? 0 : readMs;
  const targetMs = stalenessTargets[name];
  const stale = targetMs === undefined ? null : ageMs === null || ageMs > targetMs;
  const told = notified === undefined || notified.state === "off" ? undefined : notified.state;
  return {
    name,
    // A known gap says more than the age that it leads to.
    state: told !== undefined && told !== "live" ? told : stale === true ? "stale" : (told ?? "batch"),
    upTo,
    ageSeconds: ageMs === null ? null : wholeSeconds(ageMs),
    targetSeconds: targetMs === undefined ? null : wholeSeconds(targetMs),
    stale,
    deletesVerified: source?.deletesVerified ?? null,
    live: notified ?? null,
  };
}

function reasonsOf(read: ReadState, sources: readonly SourceFreshness[]): string[] {
  const degraded = read.live?.degraded;
  return [
    ...(degraded === undefined ? [] : [degraded]),
    ...sources.flatMap(({ name, state, live }) =>
      MISSED.has(state) ? [`${name}: ${live?.reason ?? state}`] : [],
    ),
    ...sources.flatMap(({ name, state }) => (state === "stale" ? [`${name} is older than its target`] : [])),
  ];
}

function stateOf(read: ReadState, sources: readonly SourceFreshness[]): Freshness["state"] {
  if (read.pinned === true) return "pinned";
  if (read.live?.degraded !== undefined) return "degraded";
  if (sources.some(({ state }) => MISSED.has(state))) return "incomplete";
  return sources.some(({ state }) => state === "stale") ? "stale" : "ok";
}

/** The freshness of answers from a state: a function of its arguments alone. */
export function freshnessOf(read: ReadState, context: FreshnessContext): Freshness {
  const known = Object.keys(read.sources ?? {});
  const notified = (context.liveStates ?? []).map(({ source }) => source);
  const names = [...new Set([...known, ...notified])].sort();
  const sources = names.map((name) => sourceFreshness(name, read.sources?.[name], context));
  const pinned = read.pinned === true;
  return {
    snapshot: read.id,
    asOf: read.committedAt,
    epoch: read.epoch ?? null,
    lagSeconds:
      pinned || read.live === undefined ? null : wholeSeconds(context.now.getTime() - read.live.currentAt),
    state: stateOf(read, sources),
    reasons: pinned ? [] : reasonsOf(read, sources),
    deletesVerified: read.deletesVerified !== false,
    sources,
  };
}
