import type { SnapshotSummary, SnapshotView, ViewColumn } from "#query";
import { answerFormats } from "../http/negotiate.js";
import type { PageNotes } from "../http/page.js";
import { type Html, html, page } from "./page.js";

/** A page shows at most this many rows; the other formats have them all. */
export const PAGE_ROWS = 100;

/** What a view page shows. */
export interface ViewPage {
  readonly snapshot: SnapshotSummary;
  readonly view: SnapshotView;
  readonly columns: readonly ViewColumn[];
  readonly rows: readonly (readonly (string | null)[])[];
  readonly page: Pick<PageNotes, "truncated" | "next">;
  /** Scheme and host that the request came to. */
  readonly origin: string;
  /** The query string of the request without `_format`, with its question mark, or empty. */
  readonly search: string;
}

function cell(value: string | null): Html {
  return value === null ? html`<td class="null">null</td>` : html`<td>${value}</td>`;
}

function table({ columns, rows }: ViewPage): Html {
  const head = columns.map((column) => html`<th scope="col" title="${column.path}">${column.name}</th>`);
  const body = rows.map((row) => html`<tr>${row.map(cell)}</tr>\n`);
  return html`<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>
${body}</tbody></table></div>`;
}

function snippets({ origin, view, search }: ViewPage): Html {
  const base = `${origin}/views/${encodeURIComponent(view.name)}`;
  return html`<h2>Use it</h2>
<p>Shell:</p><pre>curl '${base}.csv${search}'</pre>
<p>Python, typed (pandas with pyarrow):</p><pre>import pandas as pd
df = pd.read_parquet("${base}.parquet${search}")</pre>
<p>R, typed:</p><pre>df &lt;- arrow::read_parquet(url("${base}.parquet${search}", "rb"))</pre>`;
}

/** The page of one view: its first rows, its formats, and lines to copy. Every value is escaped. */
export function viewPage(content: ViewPage): string {
  const { view, snapshot, rows, page: extent, search } = content;
  const links = answerFormats
    .filter((format) => format !== "html")
    .map(
      (format) => html`<a href="/views/${encodeURIComponent(view.name)}.${format}${search}">${format}</a> `,
    );
  const shown = extent.truncated
    ? html`The first ${rows.length} rows of more${extent.next === null ? "" : html`; <a rel="next" href="${extent.next}">the next page</a>`}.`
    : html`All ${rows.length} rows of this answer.`;
  return page(
    view.name,
    html`<p>${view.description ?? `Rows from ${view.resource} resources.`}</p>
<p>Snapshot ${snapshot.id}, as of ${snapshot.committedAt}${view.rowCount === undefined ? "" : html`; ${view.rowCount} rows in the view`}.</p>
<p>Download: ${links}· <a href="/views/${encodeURIComponent(view.name)}/schema">schema</a></p>
<p>${shown}</p>
${table(content)}
${snippets(content)}`,
  );
}

/** The page that lists the views of a snapshot. */
export function viewListPage(snapshot: SnapshotSummary, views: readonly SnapshotView[]): string {
  const rows = views.map(
    (
      view,
    ) => html`<tr><td><a href="/views/${encodeURIComponent(view.name)}">${view.name}</a></td><td>${view.resource}</td>
<td>${view.state === "ready" ? String(view.rowCount ?? "") : "being built"}</td><td>${view.description ?? ""}</td></tr>\n`,
  );
  return page(
    "Views",
    html`<p>Snapshot ${snapshot.id}, as of ${snapshot.committedAt}.</p>
<div class="scroll"><table><thead><tr><th scope="col">View</th><th scope="col">Resource</th><th scope="col">Rows</th><th scope="col">Description</th></tr></thead><tbody>
${rows}</tbody></table></div>`,
  );
}

/** The front page. */
export function indexPage(): string {
  return page(
    "fhir-lake",
    html`<p>Tables over FHIR data, by URL. A view answers at <code>/views/&lt;name&gt;</code> in ${answerFormats.join(", ")}.</p>
<ul>
<li><a href="/views">/views</a>: the views</li>
<li><a href="/snapshots">/snapshots</a>: the states of the lake that can be read</li>
<li><a href="/healthz">/healthz</a> and <a href="/readyz">/readyz</a>: is the server up, can it answer</li>
</ul>
<p>Parameters of a view: <code>select=a,b</code>, <code>order=a.desc</code>, <code>limit=100</code>, <code>snapshot=7</code>, <code>_format=csv</code>,
<code>&lt;column&gt;=&lt;value&gt;</code> for rows that hold exactly that value, and <code>&lt;column&gt;=gte.&lt;value&gt;</code> and the like.</p>`,
  );
}
