import type { PageFacts, RowCount, ViewRead } from "#query";
import { resumePoint } from "#query";
import type { ServingContext, ServingDependencies } from "../context.js";
import { questionDigest } from "../question/cursor.js";

/** What an answer says of its own extent. */
export interface PageNotes {
  /** Null where no limit was set. */
  readonly rowLimit: number | null;
  /** True when there are more rows than the limit lets out. */
  readonly truncated: boolean;
  /** Address of the next page, from the root of this server; null when there is none. */
  readonly next: string | null;
  /** Null unless asked for. */
  readonly total: RowCount | null;
}

/** The address of the page that begins where this one ends. */
function nextAddress(
  context: ServingContext,
  { cursors }: ServingDependencies,
  read: ViewRead,
  position: NonNullable<PageFacts["next"]>,
): string {
  const url = new URL(context.req.url);
  const question = questionDigest(read.view.name, url.searchParams);
  const point = resumePoint(read.state, read.view);
  url.searchParams.set("cursor", cursors.encode({ point, question, position }));
  return `${url.pathname}${url.search}`;
}

/** The notes of an answer. */
export function pageNotes(
  context: ServingContext,
  dependencies: ServingDependencies,
  read: ViewRead,
  facts: PageFacts,
  total: RowCount | undefined,
): PageNotes {
  return {
    rowLimit: read.rowLimit ?? null,
    truncated: facts.truncated,
    next: facts.next === undefined ? null : nextAddress(context, dependencies, read, facts.next),
    total: total ?? null,
  };
}

/** The same as headers. */
export function pageHeaders({ rowLimit, truncated, next, total }: PageNotes): Record<string, string> {
  return {
    ...(rowLimit === null ? {} : { "X-Row-Limit": String(rowLimit) }),
    "X-Truncated": String(truncated),
    ...(next === null ? {} : { Link: `<${next}>; rel="next"` }),
    ...(total === null
      ? {}
      : { "X-Total-Count": String(total.rows), "X-Total-Count-Kind": total.exact ? "exact" : "estimated" }),
  };
}
