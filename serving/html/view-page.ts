import type { Freshness, SnapshotView, ViewColumn } from "#query";
import { answerFormats } from "../http/negotiate.js";
import type { PageNotes } from "../http/page.js";
import { freshnessLine } from "./freshness-line.js";
import { type Html, html, page } from "./page.js";
import { type SnippetAddress, snippets } from "./snippets.js";

/** A page shows at most this many rows; the other formats have them all. */
export const PAGE_ROWS = 100;

/** What a view page shows. */
export interface ViewPage {
  readonly freshness: Freshness;
  readonly view: SnapshotView;
  readonly columns: readonly ViewColumn[];
  readonly rows: readonly (readonly (string | null)[])[];
  readonly page: Pick<PageNotes, "truncated" | "next">;
  /** The address of the page as other tools would ask for it, without `_format`. */
  readonly address: Omit<SnippetAddress, "view" | "columns">;
}

const numeric = /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DOUBLE|FLOAT|DECIMAL.*)$/;

function cell(value: string | null, { sqlType }: ViewColumn): Html {
  if (value === null) return html`<td class="null">null</td>`;
  return numeric.test(sqlType) ? html`<td class="number">${value}</td>` : html`<td>${value}</td>`;
}

function table({ columns, rows, view }: ViewPage): Html {
  const head = columns.map(
    (column) =>
      html`<th scope="col" title="${column.description ?? column.path}">${column.name}<small>${column.sqlType}</small></th>`,
  );
  const body = rows.map((row) => html`<tr>${row.map((value, index) => cell(value, columns[index]!))}</tr>\n`);
  return html`<div class="scroll" role="region" aria-label="Rows of ${view.name}" tabindex="0"><table><thead><tr>${head}</tr></thead><tbody>
${body}</tbody></table></div>`;
}

function snippetList(address: SnippetAddress): Html {
  const parts = snippets(address).map(
    ({ tool, note, text }) => html`<h3>${tool}</h3>
<p>${note}</p>
<pre tabindex="0" aria-label="Lines for ${tool}"><code>${text}</code></pre>
`,
  );
  const key = address.keyed
    ? html`<p>The lines take your key from the environment variable <code>FHIR_LAKE_KEY</code>.</p>`
    : html``;
  return html`<h2>Use it</h2>
<p>The question of this page, as it stands. A click selects all lines.</p>
${key}
${parts}`;
}

function links(view: SnapshotView, search: string): Html {
  const base = `/views/${encodeURIComponent(view.name)}`;
  const formats = answerFormats
    .filter((format) => format !== "html")
    .map((format) => html`<li><a href="${base}.${format}${search}">${format}</a></li>`);
  const about = (
    [
      ["schema", "what its columns mean"],
      ["profile", "what they hold"],
      ["lineage", "where the rows come from"],
    ] as const
  ).map(([part, meaning]) => html`<li><a href="${base}/${part}">${part}</a> (${meaning})</li>`);
  return html`<h2>Download</h2>
<ul class="links">${formats}</ul>
<h2>About this view</h2>
<ul class="links">${about}<li><a href="/docs">reference</a> (filters, order, pages)</li></ul>`;
}

/** The page of one view: how fresh it is, its first rows, its formats, and lines to copy. Every value is escaped. */
export function viewPage(content: ViewPage): string {
  const { view, rows, page: extent, address, freshness } = content;
  const next = extent.next === null ? html`` : html`; <a rel="next" href="${extent.next}">the next page</a>`;
  const shown = extent.truncated
    ? html`The first ${rows.length} rows of more${next}.`
    : html`All ${rows.length} rows of this answer.`;
  return page(
    view.name,
    html`<p>${view.description ?? `Rows from ${view.resource} resources.`}</p>
${freshnessLine(freshness)}
<p>${shown}${view.rowCount === undefined ? "" : html` The view has ${view.rowCount} rows in the snapshot.`}</p>
${table(content)}
${links(view, address.search)}
${snippetList({ ...address, view: view.name, columns: content.columns })}`,
  );
}

/** The page that lists the views of a state. */
export function viewListPage(freshness: Freshness, views: readonly SnapshotView[]): string {
  const rows = views.map((view) => {
    const base = `/views/${encodeURIComponent(view.name)}`;
    const count =
      view.state === "ready"
        ? String(view.rowCount ?? "")
        : view.state === "building"
          ? "being built"
          : view.state;
    return html`<tr><th scope="row"><a href="${base}">${view.name}</a></th><td>${view.resource}</td>
<td class="number">${count}</td><td>${view.description ?? ""}</td><td><a href="${base}/schema" aria-label="Schema of ${view.name}">schema</a></td></tr>\n`;
  });
  return page(
    "Views",
    html`${freshnessLine(freshness)}
<div class="scroll" role="region" aria-label="Views" tabindex="0"><table><thead><tr><th scope="col">View</th><th scope="col">Resource</th><th scope="col">Rows</th><th scope="col">Description</th><th scope="col">Columns</th></tr></thead><tbody>
${rows}</tbody></table></div>`,
  );
}
