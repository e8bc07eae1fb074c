import { randomBytes } from "node:crypto";
import type { ServerClock } from "./clock.js";
import { FhirRefusal } from "./outcome.js";

/** Renders one page of a stored result: its entries from `offset`, with links made by `link`. */
export type PageRenderer = (offset: number, link: (offset: number) => string) => string;

interface StoredResult {
  readonly render: PageRenderer;
  readonly expiresAt: number;
}

/**
 * Results that are read in pages. A link names a stored result by a random token that says nothing about it and stops working after a
 * while: a server need not keep a result forever, and clients must not make up links.
 */
export class ResultPages {
  readonly #clock: ServerClock;
  readonly #keepMs: number;
  readonly #form: "opaque" | "getpages";
  readonly #results = new Map<string, StoredResult>();
  readonly #tokens = new Map<string, { readonly result: string; readonly offset: number }>();

  constructor(
    clock: ServerClock,
    options: { readonly keepMs: number; readonly form: "opaque" | "getpages" },
  ) {
    this.#clock = clock;
    this.#keepMs = options.keepMs;
    this.#form = options.form;
  }

  /** Stores a result and renders its first page. */
  first(base: string, render: PageRenderer): string {
    this.#forgetExpired();
    const id = randomBytes(12).toString("hex");
    this.#results.set(id, { render, expiresAt: this.#clock.now() + this.#keepMs });
    return render(0, (offset) => this.#link(base, id, offset));
  }

  /** Whether a query names a page. */
  names(query: URLSearchParams): boolean {
    return query.has("_page") || query.has("_getpages");
  }

  /** The page a link names; 410 once it has expired. */
  page(base: string, query: URLSearchParams): string {
    const token = this.#tokens.get(query.get("_page") ?? "");
    const id = token?.result ?? query.get("_getpages") ?? "";
    const offset = token?.offset ?? Number(query.get("_getpagesoffset") ?? 0);
    const result = this.#results.get(id);
    if (result === undefined || this.#clock.now() >= result.expiresAt)
      throw new FhirRefusal(410, "expired", "This page link has expired; search again.");
    return result.render(offset, (next) => this.#link(base, id, next));
  }

  /** Makes all links given out so far stop working. */
  expireAll(): void {
    this.#results.clear();
    this.#tokens.clear();
  }

  #forgetExpired(): void {
    const now = this.#clock.now();
    for (const [id, { expiresAt }] of this.#results) {
      // Results lie in the order in which they expire.
      if (now < expiresAt) break;
      this.#results.delete(id);
    }
    for (const [token, { result }] of this.#tokens) {
      if (this.#results.has(result)) break;
      this.#tokens.delete(token);
    }
  }

  #link(base: string, result: string, offset: number): string {
    if (this.#form === "getpages")
      return `${base}?_getpages=${result}&_getpagesoffset=${offset}&_pretty=true&_bundletype=searchset`;
    const token = randomBytes(18).toString("base64url");
    this.#tokens.set(token, { result, offset });
    return `${base}?_page=${token}`;
  }
}
