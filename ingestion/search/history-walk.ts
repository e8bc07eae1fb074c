import { pageLoop, pagesExpired, searchRefused } from "./errors.js";
import { type Page, type PageEntry, parsePage } from "./page.js";
import { instantText } from "./search-instant.js";
import type { SourceClient } from "./source-client.js";
import { versionTag } from "./window-walk.js";

const MAX_RESTARTS = 5;
const MAX_ROUNDS = 5;
const MAX_IDLE_PAGES = 100;
/** Statuses that say: no history at this level. */
const UNSUPPORTED = new Set([400, 403, 404, 405, 406, 422, 501]);

/** A page of history entries that were not handed out before. */
export interface HistoryStep {
  readonly entries: readonly PageEntry[];
  readonly page: Page;
  /** True from the second time on that the history is read from its top: the entries are newer than all before. */
  readonly again: boolean;
}

/** How a history is asked for. */
export interface HistoryRequest {
  readonly client: SourceClient;
  /** Undefined: the whole system's. */
  readonly type: string | undefined;
  readonly sinceMs: number;
  readonly pageSize: number;
}

function tag(entry: PageEntry): string {
  return `${entry.type}/${versionTag(entry)}${entry.deleted ? " deleted" : ""}`;
}

/**
 * A history since a point in time, newest first: read to its end, then again from the newest time seen until nothing new turns up, because
 * what is written meanwhile stands above the pages already read.
 */
export class HistoryWalk {
  private readonly request: HistoryRequest;
  private restarts = 0;
  private known = new Set<string>();

  constructor(request: HistoryRequest) {
    this.request = request;
  }

  private get name(): string {
    return this.request.type ?? "the whole system";
  }

  /** Yields pages; returns false, without a page, when the server has no such history. */
  async *steps(): AsyncGenerator<HistoryStep, boolean> {
    let sinceMs = this.request.sinceMs;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const first = await this.first(sinceMs);
      if (first === undefined) return false;
      let fresh = 0;
      let top = sinceMs;
      for await (const page of this.drain(first, sinceMs)) {
        const entries = page.entries.filter((entry) => !this.known.has(tag(entry)));
        for (const entry of entries) this.known.add(tag(entry));
        for (const { timeMs } of entries) top = Math.max(top, timeMs ?? top);
        fresh += entries.length;
        yield { entries, page, again: round > 0 };
      }
      if (fresh === 0) break;
      // A history without times cannot be asked for its newer part alone.
      sinceMs = top;
    }
    return true;
  }

  private async first(sinceMs: number): Promise<Page | undefined> {
    const { client, type, pageSize } = this.request;
    const answer = await client.history(type, { _since: instantText(sinceMs), _count: String(pageSize) });
    if (UNSUPPORTED.has(answer.status)) return undefined;
    if (answer.status !== 200) throw searchRefused(`the history of ${this.name}`, answer.status);
    return parsePage(answer, `the history of ${this.name}`);
  }

  /** All pages behind a first one; begins again from a new first page when a link has expired or leads back. */
  private async *drain(start: Page, sinceMs: number): AsyncGenerator<Page> {
    const followed = new Set<string>();
    let page = start;
    let idle = 0;
    for (;;) {
      yield page;
      idle = page.entries.length === 0 ? idle + 1 : 0;
      if (page.next === undefined || isBefore(page, sinceMs)) return;
      if (idle > MAX_IDLE_PAGES) throw pageLoop(this.name);
      const loop = followed.has(page.next.href);
      followed.add(page.next.href);
      const next = loop ? "expired" : await this.next(page.next);
      if (next !== "expired") {
        page = next;
        continue;
      }
      if (++this.restarts > MAX_RESTARTS) throw loop ? pageLoop(this.name) : pagesExpired(this.name);
      followed.clear();
      page = (await this.first(sinceMs)) ?? page;
    }
  }

  private async next(url: URL): Promise<Page | "expired"> {
    const answer = await this.request.client.follow(url);
    if (answer.status === 410 || answer.status === 404 || answer.status === 400) return "expired";
    if (answer.status !== 200) throw searchRefused(`a next page of ${this.name}`, answer.status);
    return parsePage(answer, `a next page of ${this.name}`);
  }
}

/** A server that does not heed `_since` would lead through all of time: newest first, a page before `sinceMs` is behind the end. */
function isBefore(page: Page, sinceMs: number): boolean {
  let newer = Number.POSITIVE_INFINITY;
  for (const { timeMs } of page.entries) {
    if (timeMs === undefined || timeMs > newer || timeMs >= sinceMs) return false;
    newer = timeMs;
  }
  return page.entries.length > 0;
}
