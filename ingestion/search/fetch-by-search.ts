import path from "node:path";
import { LakeError, mapConcurrently } from "#kernel";
import type { OrderPolicy } from "#landing";
import type { FhirHttp } from "../http/index.js";
import type { FetchedBatch, FetchedFile, FetchProblem } from "../source/fetched.js";
import { HistoryUnit } from "./history-unit.js";
import { makePlan, type Plan } from "./plan.js";
import { floorSecond, instantMs, instantText } from "./search-instant.js";
import { SourceClient } from "./source-client.js";
import type { Unit, UnitResult } from "./unit.js";
import { TypeSearch } from "./window.js";
import { WindowUnit } from "./window-unit.js";
import { emptyWork, requestHash, WorkFolder } from "./work-folder.js";

/** How far a fetch has come. */
export interface SearchProgress {
  readonly type: string | undefined;
  readonly unitsDone: number;
  readonly units: number;
  /** Resources and deletes written in this process. */
  readonly resources: number;
}

/** Named points of a fetch. */
export type SearchCheckpoint = "plan.saved" | "page.kept" | "unit.complete" | "unit.saved";

/** What {@link fetchBySearch} fetches. */
export interface SearchFetchOptions {
  readonly http: FhirHttp;
  /** Persistent, and nobody else's; emptied when it holds the work of another request. */
  readonly workDir: string;
  readonly types: readonly string[];
  /** The watermark of each type (FHIR instant); a type without one is fetched whole. */
  readonly since: Readonly<Record<string, string | undefined>>;
  /** Fetched again below each watermark, for transactions under way and clocks that differ. Default 600,000 ms. */
  readonly overlapMs?: number;
  /** Watermarks are lowered to the newest change seen, at most by this, because answers may come from a replica that lags. Default 3,600,000 ms. */
  readonly replicaLagMs?: number;
  /** Fetch deletes and versions from histories as well. */
  readonly history: boolean;
  /** How the lake orders versions of this source: a delete must come with what that goes by. Default `time`. */
  readonly policy?: OrderPolicy;
  /** A hint for the server. Default 500. */
  readonly pageSize?: number;
  /** Windows hold about this many resources. Default 20,000. */
  readonly windowSize?: number;
  /** Windows and histories at once; requests are bounded by `http` too. Default 4. */
  readonly concurrency?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: SearchProgress) => void;
  /** Told the name of a point after something became durable, for tests that end the process there. */
  readonly checkpoint?: (label: SearchCheckpoint) => void;
}

const DEFAULTS = {
  overlapMs: 600_000,
  replicaLagMs: 3_600_000,
  pageSize: 500,
  windowSize: 20_000,
  concurrency: 4,
};

interface FetchState {
  plan: Plan;
  results: Record<string, UnitResult>;
}

/** File paths in the state are relative, so that a work folder may move. */
function withDir(file: FetchedFile | undefined, place: (name: string) => string): FetchedFile | undefined {
  return file && { ...file, path: place(path.basename(file.path)) };
}

/** One fetch, from planning to the batch. */
class SearchFetch {
  private readonly options: Required<Omit<SearchFetchOptions, "signal" | "onProgress" | "checkpoint">>;
  private readonly given: SearchFetchOptions;
  private readonly client: SourceClient;
  private readonly searches = new Map<string, TypeSearch>();
  private readonly since = new Map<string, number>();
  private folder!: WorkFolder<FetchState>;
  private state!: FetchState;
  private resumed = 0;
  private resources = 0;

  constructor(given: SearchFetchOptions) {
    const { signal: _signal, onProgress: _onProgress, checkpoint: _checkpoint, ...plain } = given;
    this.given = given;
    this.options = { ...DEFAULTS, policy: "time", ...plain };
    this.client = new SourceClient(given.http, given.signal);
    for (const type of given.types) {
      const text = given.since[type];
      if (text === undefined) continue;
      const ms = instantMs(text);
      if (ms === undefined) throw badSince(type);
      this.since.set(type, ms);
    }
  }

  async run(): Promise<FetchedBatch> {
    const before = this.given.http.statistics;
    this.folder = await WorkFolder.open<FetchState>(this.options.workDir, this.request());
    this.state = this.folder.earlier ?? { plan: await this.plan(), results: {} };
    this.resumed = Object.values(this.state.results).filter(({ file }) => file !== undefined).length;
    await this.folder.save(() => this.state);
    this.given.checkpoint?.("plan.saved");
    await this.units(this.state.plan.units);
    await this.systemHistory();
    const { requests, retries, bytes } = this.given.http.statistics;
    const statistics = {
      requests: requests - before.requests,
      retries: retries - before.retries,
      bytes: bytes - before.bytes,
      resumedFiles: this.resumed,
    };
    return this.batch(statistics);
  }

  private request(): string {
    const { types, overlapMs, history, policy, pageSize, windowSize, http } = this.options;
    const since = [...this.since].sort();
    return requestHash({
      base: http.base.href,
      types,
      since,
      overlapMs,
      history,
      policy,
      pageSize,
      windowSize,
    });
  }

  private searchOf(type: string): TypeSearch {
    const known = this.searches.get(type);
    if (known !== undefined) return known;
    const made = new TypeSearch(this.client, type, this.options.pageSize);
    this.searches.set(type, made);
    return made;
  }

  private fromMs(type: string): number | undefined {
    const since = this.since.get(type);
    return since === undefined ? undefined : floorSecond(since - this.options.overlapMs);
  }

  private plan(): Promise<Plan> {
    const { types, windowSize, concurrency, history } = this.options;
    return makePlan({
      types,
      windowSize,
      concurrency,
      history,
      searchOf: (type) => this.searchOf(type),
      fromMs: (type) => this.fromMs(type),
    });
  }

  private async units(units: readonly Unit[]): Promise<void> {
    const open = units.filter((unit) => this.state.results[unit.name] === undefined);
    await mapConcurrently(open, this.options.concurrency, async (unit) => {
      const result = await this.fetchUnit(unit);
      this.state.results[unit.name] = result;
      this.given.checkpoint?.("unit.complete");
      await this.folder.save(() => this.state);
      this.given.checkpoint?.("unit.saved");
      this.progress(unit.type, 0);
    });
  }

  private fetchUnit(unit: Unit): Promise<UnitResult> {
    const folder = this.folder as WorkFolder<unknown>;
    const onResources = (count: number): void => {
      this.given.checkpoint?.("page.kept");
      this.progress(unit.type, count);
    };
    if (unit.kind === "search") {
      return new WindowUnit(unit, this.searchOf(unit.type), folder, onResources).fetch();
    }
    const { policy, pageSize } = this.options;
    return new HistoryUnit(unit, this.client, folder, { policy, pageSize, onResources }).fetch();
  }

  /** One history of the whole system for the types that have none of their own. */
  private async systemHistory(): Promise<void> {
    const lacking = this.histories().filter((unit) => this.state.results[unit.name]?.listsDeletes === false);
    const types = lacking.flatMap((unit) => unit.types);
    if (types.length === 0) return;
    const sinceMs = Math.min(...lacking.map((unit) => unit.sinceMs));
    await this.units([{ kind: "history", name: "system.history", type: undefined, types, sinceMs }]);
  }

  private histories(): (Unit & { readonly kind: "history" })[] {
    return this.state.plan.units.filter((unit) => unit.kind === "history");
  }

  private progress(type: string | undefined, resources: number): void {
    this.resources += resources;
    this.given.onProgress?.({
      type,
      unitsDone: Object.keys(this.state.results).length,
      units: this.state.plan.units.length,
      resources: this.resources,
    });
  }

  private batch(statistics: FetchedBatch["statistics"]): FetchedBatch {
    const { plan, results } = this.state;
    const place = (name: string): string => this.folder.path(name);
    const files = Object.keys(results)
      .sort()
      .map((name) => withDir(results[name]?.file, place))
      .filter((file) => file !== undefined);
    const incomplete = new Set(plan.unreachable);
    for (const unit of plan.units) {
      if (unit.kind === "search" && results[unit.name]?.complete === false) incomplete.add(unit.type);
    }
    return {
      transactionTime: instantText(plan.startMs),
      watermarks: this.watermarks(incomplete),
      // Resources before changes: where both say the same, the history has the last word.
      files: [...files].sort((a, b) => (a.kind === b.kind ? 0 : a.kind === "resources" ? -1 : 1)),
      deletesListed: this.deletesListed(),
      problems: this.problems(),
      incompleteTypes: [...incomplete].sort(),
      statistics,
    };
  }

  private deletesListed(): boolean {
    const { types } = this.options;
    const listed = new Set<string>();
    for (const unit of this.histories()) {
      const system = this.state.results["system.history"];
      const result = this.state.results[unit.name];
      if (result?.listsDeletes === true || system?.listsDeletes === true)
        for (const type of unit.types) listed.add(type);
    }
    return types.length > 0 && types.every((type) => listed.has(type));
  }

  private problems(): FetchProblem[] {
    const { plan, results } = this.state;
    const found = [...plan.problems, ...Object.values(results).flatMap(({ problems }) => problems)];
    if (this.options.history && this.histories().length > 0 && !this.deletesListed()) {
      const message = "The server has no history of some types: their deletes are not listed.";
      found.push({ severity: "warning", message });
    }
    return found;
  }

  private watermarks(incomplete: ReadonlySet<string>): Record<string, string> {
    const { startMs } = this.state.plan;
    const earliest = startMs - this.options.replicaLagMs;
    const watermarks: Record<string, string> = {};
    for (const type of this.options.types) {
      if (incomplete.has(type)) continue;
      const newest = this.newestMs(type) ?? Number.NEGATIVE_INFINITY;
      const since = this.since.get(type) ?? Number.NEGATIVE_INFINITY;
      watermarks[type] = instantText(Math.max(since, Math.min(startMs, Math.max(newest, earliest))));
    }
    return watermarks;
  }

  private newestMs(type: string): number | undefined {
    const times = this.state.plan.units
      .filter((unit) => unit.kind === "search" && unit.type === type)
      .map((unit) => this.state.results[unit.name]?.newestMs)
      .filter((ms) => ms !== undefined);
    return times.length === 0 ? undefined : Math.max(...times);
  }
}

function badSince(type: string): LakeError {
  return new LakeError(
    "invalid-input",
    "source/bad-since",
    `The watermark of ${type} is no FHIR instant such as 2026-01-31T08:00:00Z; run with --full once to set a new one.`,
    { details: { type } },
  );
}

/**
 * Fetches what changed since the watermarks by searching closed windows of `_lastUpdated` and, with `history`, by reading histories.
 * Nothing is lost by changes that happen meanwhile: they lie behind the windows and come with the next fetch. Files and positions are kept
 * in `workDir`; called again with the same request after a kill it goes on, and never fetches a finished window again.
 *
 * Errors: `source/no-clock`, `source/search-refused`, `source/page-loop`, `source/pages-expired`, `source/bad-since` and those of requests;
 * what concerns single types is in the batch's `problems` and `incompleteTypes`.
 */
export async function fetchBySearch(options: SearchFetchOptions): Promise<FetchedBatch> {
  return await new SearchFetch(options).run();
}

/** Throws away the work of a fetch whose batch is in the lake. */
export async function finishSearch(workDir: string): Promise<void> {
  await emptyWork(workDir);
}
