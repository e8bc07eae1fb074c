import { pageLoop, pagesExpired } from "./errors.js";
import type { Page, PageEntry } from "./page.js";
import type { TypeSearch, Window } from "./window.js";

/**
 * How to get from page to page. `keyset`: ask again from the last time seen, so that a resource that leaves the window meanwhile cannot
 * shift others out of sight; needs a server that sorts. `links`: the server's next links.
 */
export type Paging = "keyset" | "links";

/** Where a walk stands; a walk that is given it goes on from there. */
export interface WalkPosition {
  readonly paging: Paging;
  /** Milliseconds from which the next query asks. */
  readonly key: number | undefined;
  /** Versions with exactly that time that were handed out already, as {@link versionTag}. */
  readonly ties: readonly string[];
  /** The next link to follow instead of asking anew. */
  readonly next: string | undefined;
}

/** Names a version within one type. */
export function versionTag(entry: PageEntry): string {
  return `${entry.id} ${entry.versionId ?? ""} ${entry.timeMs ?? ""}`;
}

/** What one step of a walk brought: versions not handed out by the step before, and where to go on after keeping them. */
export interface WalkStep {
  readonly entries: readonly PageEntry[];
  readonly page: Page;
  readonly after: WalkPosition;
}

/** Expired links and circles before a walk is given up; by key, since it last came forward. */
const MAX_RESTARTS = 5;
/** Pages in a row without a new resource that a server may answer before it is taken to go round in circles. */
const MAX_IDLE_PAGES = 100;

/** Oldest first and every one with a time: what `_sort=_lastUpdated` promises. */
function isSorted(entries: readonly PageEntry[], key: number | undefined): boolean {
  let before = key ?? Number.NEGATIVE_INFINITY;
  for (const { timeMs } of entries) {
    if (timeMs === undefined || timeMs < before) return false;
    before = timeMs;
  }
  return true;
}

/** One pass over the resources of a window; each is handed out at least once, whatever changes meanwhile within the bounds of {@link Paging}. */
export class WindowWalk {
  private readonly search: TypeSearch;
  private readonly window: Window;
  private position: WalkPosition;
  private readonly followed = new Set<string>();
  private restarts = 0;
  private idle = 0;

  constructor(search: TypeSearch, window: Window, position?: WalkPosition, paging: Paging = "keyset") {
    this.search = search;
    this.window = window;
    this.position = position ?? { paging, key: window.from, ties: [], next: undefined };
  }

  /** Steps until the window is drained. Errors: `source/page-loop`, `source/pages-expired` and those of requests. */
  async *steps(): AsyncGenerator<WalkStep> {
    for (;;) {
      const page = await this.fetch();
      if (page === "expired" || page === "loop") {
        this.restart(page);
        continue;
      }
      const matches = page.entries.filter((entry) => entry.match && entry.type === this.search.type);
      const seen = new Set(this.position.ties);
      const entries = matches.filter((entry) => !seen.has(versionTag(entry)));
      this.guard(entries.length);
      const last = page.next === undefined;
      if (!last) this.position = this.advance(page, matches);
      yield { entries, page, after: this.position };
      if (last) return;
    }
  }

  private async fetch(): Promise<Page | "expired" | "loop"> {
    const { key, next } = this.position;
    if (next === undefined) return this.search.first({ from: key, to: this.window.to });
    if (this.followed.has(next)) return "loop";
    this.followed.add(next);
    return this.search.next(new URL(next));
  }

  private guard(fresh: number): void {
    this.idle = fresh > 0 ? 0 : this.idle + 1;
    if (this.idle > MAX_IDLE_PAGES) throw pageLoop(this.search.type);
  }

  /** A link has expired or leads back: by key the walk goes on where it was, by links it begins again. */
  private restart(why: "expired" | "loop"): void {
    this.restarts++;
    if (this.restarts > MAX_RESTARTS) {
      throw why === "loop" ? pageLoop(this.search.type) : pagesExpired(this.search.type);
    }
    this.followed.clear();
    const { paging, key, ties } = this.position;
    this.position =
      paging === "keyset"
        ? { paging, key, ties, next: undefined }
        : { paging, key: this.window.from, ties: [], next: undefined };
  }

  private advance(page: Page, matches: readonly PageEntry[]): WalkPosition {
    const { paging, key, ties } = this.position;
    const next = page.next!.href;
    if (paging === "links") return { paging, key, ties: [], next };
    if (!this.search.sorts || !isSorted(matches, key)) {
      // Unsorted from the first page on, its links are as good as any; found out later, the keys so far meant nothing.
      const first = key === this.window.from && this.position.next === undefined && ties.length === 0;
      return { paging: "links", key: this.window.from, ties: [], next: first ? next : undefined };
    }
    const newest = matches.at(-1)?.timeMs;
    const tags = (timeMs: number | undefined): string[] =>
      matches.filter((entry) => entry.timeMs === timeMs).map(versionTag);
    const grown = newest !== undefined && (key === undefined || newest > key);
    if (grown) {
      this.followed.clear();
      this.restarts = 0;
    }
    // A whole page of one time: only the server's links lead past it.
    const stuck = matches[0]?.timeMs === newest;
    if (!grown) return { paging, key, ties: [...new Set([...ties, ...tags(key)])], next };
    return { paging, key: newest, ties: tags(newest), next: stuck ? next : undefined };
  }
}
