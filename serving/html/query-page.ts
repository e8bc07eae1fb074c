import type { ReadState, SavedParameter, SavedQuery } from "#query";
import { answerFormats } from "../http/negotiate.js";
import { type Html, html, page } from "./page.js";

/** What the page of a saved query shows. */
export interface SavedQueryPage {
  readonly query: SavedQuery;
  /** Values of parameters as they were given. */
  readonly values: Readonly<Record<string, string>>;
  /** The query string of the request, with its question mark, or empty. */
  readonly search: string;
  /** Absent as long as the query cannot be run. */
  readonly answer?: {
    readonly state: ReadState;
    readonly columns: readonly string[];
    readonly rows: readonly (readonly (string | null)[])[];
    readonly truncated: boolean;
  };
}

function typeName({ type, list }: SavedParameter): string {
  return list ? `list of ${type}, a,b,"c,d"` : type;
}

function choices(parameter: SavedParameter, value: string): Html {
  const items = ["", "true", "false"].map((item) =>
    item === value
      ? html`<option value="${item}" selected>${item}</option>`
      : html`<option value="${item}">${item}</option>`,
  );
  return html`<select id="${parameter.name}" name="${parameter.name}">${items}</select>`;
}

/** The field of a parameter, of the kind that browsers check its type with. */
function field(parameter: SavedParameter, value: string): Html {
  const { name, type, list } = parameter;
  if (type === "boolean" && !list) return choices(parameter, value);
  const kind = list
    ? "text"
    : type === "date"
      ? "date"
      : type === "integer" || type === "number"
        ? "number"
        : "text";
  const step = type === "number" ? "any" : "1";
  const required = parameter.default === undefined ? html` required` : html``;
  return html`<input id="${name}" name="${name}" type="${kind}" step="${step}" value="${value}"${required}>`;
}

function row(parameter: SavedParameter, values: SavedQueryPage["values"]): Html {
  const value = values[parameter.name] ?? parameter.default ?? "";
  return html`<p><label for="${parameter.name}"><code>${parameter.name}</code> (${typeName(parameter)})</label>
${field(parameter, value)} ${parameter.description}</p>
`;
}

function form({ query, values }: SavedQueryPage): Html {
  const formats = ["html", ...answerFormats.filter((format) => format !== "html")];
  return html`<form method="get" action="/queries/${query.name}">
${query.parameters.map((parameter) => row(parameter, values))}
<p><label for="_format">Format</label> <select id="_format" name="_format">${formats.map((format) => html`<option>${format}</option>`)}</select>
<button type="submit">Run</button></p>
</form>`;
}

function cell(value: string | null): Html {
  return value === null ? html`<td class="null">null</td>` : html`<td>${value}</td>`;
}

function rowsOf({ query, search, answer }: SavedQueryPage): Html {
  if (answer === undefined) return html`<p>Fill in the form to run the query.</p>`;
  const { state, columns, rows, truncated } = answer;
  const url = new URLSearchParams(search);
  url.delete("_format");
  const rest = url.size === 0 ? "" : `?${url.toString()}`;
  const links = answerFormats
    .filter((format) => format !== "html")
    .map((format) => html`<a href="/queries/${query.name}.${format}${rest}">${format}</a> `);
  const head = columns.map((name) => html`<th scope="col">${name}</th>`);
  const body = rows.map((values) => html`<tr>${values.map(cell)}</tr>\n`);
  return html`<p>${truncated ? html`The first ${rows.length} rows of more` : html`All ${rows.length} rows`}, from snapshot ${state.id}, as of ${state.committedAt}.</p>
<p>Download all: ${links}</p>
<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>
${body}</tbody></table></div>`;
}

/** The page of one saved query: what it answers, a form for its parameters, its first rows. Every value is escaped. */
export function savedQueryPage(content: SavedQueryPage): string {
  const { query } = content;
  const lines = query.description.split("\n").map((line) => html`${line}<br>\n`);
  return page(
    query.name,
    html`<p>${lines}</p>
${form(content)}
${rowsOf(content)}
<details><summary>SQL</summary><pre>${query.sql}</pre></details>`,
  );
}

/** The page that lists the saved queries. */
export function queryListPage(queries: readonly SavedQuery[]): string {
  const items = queries.map(
    ({ name, title }) => html`<tr><td><a href="/queries/${name}">${name}</a></td><td>${title}</td></tr>\n`,
  );
  return page(
    "Queries",
    html`<div class="scroll"><table><thead><tr><th scope="col">Query</th><th scope="col">What it answers</th></tr></thead><tbody>
${items}</tbody></table></div>`,
  );
}
