import { isLakeError } from "#kernel";
import { searchRefused } from "./errors.js";
import { type Page, parsePage } from "./page.js";
import { instantText } from "./search-instant.js";
import type { SourceClient } from "./source-client.js";

/** A span of meta.lastUpdated in milliseconds: `from` is in it, `to` is not; open where undefined. */
export interface Window {
  readonly from: number | undefined;
  readonly to: number | undefined;
}

/** `_lastUpdated` values that say "within the window". */
export function windowValues(window: Window): string[] {
  return [
    ...(window.from === undefined ? [] : [`ge${instantText(window.from)}`]),
    ...(window.to === undefined ? [] : [`lt${instantText(window.to)}`]),
  ];
}

/** What was learned about how the server wants to be searched. */
interface Habits {
  post: boolean;
  sort: boolean;
  /** Resources asked for at once; less after a page was too big to be taken. */
  count: number;
}

/** Statuses after which the same search is worth sending as POST. */
const WANTS_POST = new Set([405, 414, 501]);
/** Statuses after which it is worth leaving out `_sort`. */
const WANTS_LESS = new Set([400, 403, 406, 412, 415, 422]);

/** Searches of one type, in the way its server takes them. */
export class TypeSearch {
  readonly type: string;
  private readonly client: SourceClient;
  private readonly elements: string | undefined;
  private readonly habits: Habits;

  /** `elements`: asks for parts of the resources only (`_elements`). */
  constructor(client: SourceClient, type: string, pageSize: number, elements?: string) {
    this.client = client;
    this.type = type;
    this.habits = { post: false, sort: true, count: pageSize };
    this.elements = elements;
  }

  /** False once the server has refused `_sort=_lastUpdated`. */
  get sorts(): boolean {
    return this.habits.sort;
  }

  /** The first page of the window's resources, oldest first where the server sorts. Errors: `source/search-refused`. */
  async first(window: Window, count?: number): Promise<Page> {
    for (;;) {
      const page = await this.smaller(() => this.firstOf(window, count ?? this.habits.count));
      if (page !== "too-big") return page;
    }
  }

  private async firstOf(window: Window, count: number): Promise<Page> {
    const values = windowValues(window);
    const base = {
      ...(values.length === 0 ? {} : { _lastUpdated: values }),
      _count: String(count),
      ...(this.elements === undefined ? {} : { _elements: this.elements }),
    };
    const answer = await this.send(() => (this.habits.sort ? { ...base, _sort: "_lastUpdated" } : base));
    return parsePage(answer, `a search of ${this.type}`);
  }

  /** A next page; `expired` when the server no longer has it, or it is too big and must be asked for anew in smaller pieces. */
  async next(url: URL): Promise<Page | "expired"> {
    const page = await this.smaller(() => this.nextOf(url));
    return page === "too-big" ? "expired" : page;
  }

  private async nextOf(url: URL): Promise<Page | "expired"> {
    const answer = await this.client.follow(url);
    if (answer.status === 410 || answer.status === 404 || answer.status === 400) return "expired";
    if (answer.status !== 200) throw searchRefused(`a next page of ${this.type}`, answer.status);
    return parsePage(answer, `a next page of ${this.type}`);
  }

  /** Asks for less from now on when an answer was too big, until one resource alone is. */
  private async smaller<T>(ask: () => Promise<T>): Promise<T | "too-big"> {
    try {
      return await ask();
    } catch (error) {
      if (!isLakeError(error, "source/answer-too-big") || this.habits.count === 1) throw error;
      this.habits.count = Math.max(1, Math.floor(this.habits.count / 4));
      return "too-big";
    }
  }

  /** How many resources the window holds now, and the server's clock; the count is undefined when the server does not tell. */
  async count(window: Window): Promise<Pick<Page, "total" | "serverMs">> {
    const values = windowValues(window);
    const answer = await this.send(() => ({
      ...(values.length === 0 ? {} : { _lastUpdated: values }),
      _summary: "count",
    }));
    return parsePage(answer, `a count of ${this.type}`);
  }

  private async send(query: () => Record<string, string | string[]>) {
    for (;;) {
      const { post, sort } = this.habits;
      const answer = await this.client.search(this.type, query(), post ? "POST" : "GET");
      if (answer.status === 200) return answer;
      if (!post && WANTS_POST.has(answer.status)) this.habits.post = true;
      else if (sort && WANTS_LESS.has(answer.status) && "_sort" in query()) this.habits.sort = false;
      else throw searchRefused(`a search of ${this.type}`, answer.status);
    }
  }
}
