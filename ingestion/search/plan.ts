import { isLakeError, mapConcurrently } from "#kernel";
import type { FetchProblem } from "../source/fetched.js";
import { noClock } from "./errors.js";
import { floorSecond } from "./search-instant.js";
import type { Unit } from "./unit.js";
import type { TypeSearch, Window } from "./window.js";

/** A window that can hold nothing, for a server that heeds it: FHIR is younger. */
const LONG_AGO: Window = { from: undefined, to: 0 };
const EVERYTHING: Window = { from: undefined, to: undefined };
const LEAST_WIDTH_MS = 2000;

/** What to fetch, fixed before the first page so that an interrupted call goes on with the same windows. */
export interface Plan {
  /** The server's clock when fetching began, a whole second: the open end of every window. */
  readonly startMs: number;
  readonly units: readonly Unit[];
  readonly problems: readonly FetchProblem[];
  /** Types that the server does not let us search at all. */
  readonly unreachable: readonly string[];
}

/** What a plan is made from. */
export interface PlanRequest {
  readonly types: readonly string[];
  readonly searchOf: (type: string) => TypeSearch;
  /** Lower end of a type's first window in milliseconds; undefined fetches all. */
  readonly fromMs: (type: string) => number | undefined;
  /** Windows are divided until they hold about this many resources. */
  readonly windowSize: number;
  readonly concurrency: number;
  /** Plan a history for types with a lower end: of each type, or one of the system. */
  readonly history: boolean;
}

type SearchUnit = Unit & { readonly kind: "search" };

/** True for refusals that concern one type and leave the others fetchable. */
function isRefusal(error: unknown): boolean {
  return (
    isLakeError(error, "source/search-refused") ||
    isLakeError(error, "source/forbidden") ||
    isLakeError(error, "source/gone") ||
    isLakeError(error, "source/refused")
  );
}

/**
 * The server's clock by the first type that may be asked. An empty window is asked for, because some servers say as the time of a Bundle
 * when the newest of its resources changed; a window that ends there would leave out that resource for ever.
 */
async function startOf(request: PlanRequest): Promise<number | undefined> {
  for (const type of request.types) {
    for (const window of [LONG_AGO, EVERYTHING]) {
      try {
        const { serverMs } = await request.searchOf(type).count(window);
        if (serverMs === undefined) throw noClock();
        return floorSecond(serverMs);
      } catch (error) {
        if (!isRefusal(error)) throw error;
      }
    }
  }
  return undefined;
}

/** Halves a window until each part holds at most `size` resources; one count per part. */
async function divide(search: TypeSearch, window: Window, total: number, size: number): Promise<Counted[]> {
  const { from, to } = window;
  if (total <= size || from === undefined || to === undefined || to - from < LEAST_WIDTH_MS) {
    return [{ window, expected: total }];
  }
  const middle = floorSecond(from + (to - from) / 2);
  if (middle <= from) return [{ window, expected: total }];
  const { total: left } = await search.count({ from, to: middle });
  if (left === undefined) return [{ window, expected: total }];
  const parts: Counted[] = [];
  if (left > 0) parts.push(...(await divide(search, { from, to: middle }, left, size)));
  if (total > left) parts.push(...(await divide(search, { from: middle, to }, total - left, size)));
  return parts;
}

interface Counted {
  readonly window: Window;
  readonly expected: number | undefined;
}

/** The windows of one type; undefined when the server does not search by time. */
async function windowsOf(search: TypeSearch, window: Window, size: number): Promise<Counted[] | undefined> {
  const { total: impossible } = await search.count(LONG_AGO);
  if (impossible !== undefined && impossible > 0) return undefined;
  const { total } = await search.count(window);
  if (total === undefined || total <= size) return [{ window, expected: total }];
  const [oldest] = (await search.first(window, 1)).entries;
  if (!search.sorts || oldest?.timeMs === undefined) return [{ window, expected: total }];
  const bounded: Window = { from: Math.max(floorSecond(oldest.timeMs), window.from ?? 0), to: window.to };
  return contiguous(window, await divide(search, bounded, total, size));
}

/**
 * The parts grown together until they cover the window: what a count calls empty is fetched all the same, with its neighbour, because a wrong
 * count must not hide anything.
 */
function contiguous(window: Window, parts: readonly Counted[]): Counted[] {
  return parts.map(({ expected, window: { from } }, i) => ({
    expected,
    window: { from: i === 0 ? window.from : from, to: parts[i + 1]?.window.from ?? window.to },
  }));
}

async function unitsOf(
  request: PlanRequest,
  type: string,
  startMs: number,
): Promise<{ units: SearchUnit[]; problem?: FetchProblem }> {
  const search = request.searchOf(type);
  const crawl: SearchUnit = {
    kind: "search",
    name: `${type}.0000`,
    type,
    window: undefined,
    expected: undefined,
  };
  let windows: Counted[] | undefined;
  try {
    const from = request.fromMs(type);
    const window: Window = { from: from === undefined ? undefined : Math.min(from, startMs), to: startMs };
    windows = await windowsOf(search, window, request.windowSize);
  } catch (error) {
    if (!isRefusal(error)) throw error;
  }
  if (windows === undefined) {
    const { total } = await search.count(EVERYTHING);
    const message = `The server does not search ${type} by _lastUpdated: all of it is fetched each time.`;
    return { units: [{ ...crawl, expected: total }], problem: { severity: "warning", type, message } };
  }
  const units = windows.map(
    ({ window, expected }, i): SearchUnit => ({
      ...crawl,
      name: `${type}.${String(i).padStart(4, "0")}`,
      window,
      expected,
    }),
  );
  return { units };
}

/** Makes the plan; a few short requests per type. Errors: `source/no-clock` and those of requests. */
export async function makePlan(request: PlanRequest): Promise<Plan> {
  const startMs = await startOf(request);
  const problems: FetchProblem[] = [];
  const unreachable: string[] = [];
  const units: Unit[] = [];
  const planned = await mapConcurrently(request.types, request.concurrency, async (type) => {
    if (startMs === undefined) return undefined;
    return await unitsOf(request, type, startMs).catch((error: unknown) => {
      if (isRefusal(error)) return undefined;
      throw error;
    });
  });
  for (const [i, type] of request.types.entries()) {
    const found = planned[i];
    if (found === undefined) {
      unreachable.push(type);
      const message = `The server does not let this client search ${type}; leave it out of the source's types or have it allowed.`;
      problems.push({ severity: "error", type, message });
      continue;
    }
    units.push(...found.units);
    if (found.problem !== undefined) problems.push(found.problem);
    const sinceMs = request.fromMs(type);
    if (request.history && sinceMs !== undefined) {
      units.push({ kind: "history", name: `${type}.history`, type, types: [type], sinceMs });
    }
  }
  return { startMs: startMs ?? 0, units, problems, unreachable };
}
