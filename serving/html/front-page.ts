import { answerFormats } from "../http/negotiate.js";
import { html, page } from "./page.js";

/** The front page: where to begin. */
export function frontPage(): string {
  return page(
    "fhir-lake",
    html`<p>Tables over FHIR data, by URL. A view answers at <code>/views/&lt;name&gt;</code>; the format stands behind a point or in <code>_format</code>: ${answerFormats.join(", ")}.</p>
<h2>Begin</h2>
<ul>
<li><a href="/views">Views</a>: what there is, each with its rows, its columns and lines to copy for curl, Python, R and Excel</li>
<li><a href="/queries">Queries</a>: questions that somebody saved, to be asked again with other values</li>
<li><a href="/docs">Reference</a>: every address and parameter, to read and to try (<a href="/openapi.json">openapi.json</a> for programs)</li>
<li><a href="/freshness">Freshness</a>: how far each source is loaded, and whether changes arrive</li>
<li><a href="/snapshots">Snapshots</a> and <a href="/pins">pins</a>: the states of the lake that can be read</li>
</ul>
<h2>Ask</h2>
<pre tabindex="0" aria-label="An example">/views/patient_demographics.csv?select=patient_key,gender,age&amp;age=gte.65&amp;order=age.desc&amp;limit=100</pre>
<p>A column filters by its name: <code>gender=female</code>, <code>age=gte.18</code>, <code>code=in.(E11.9,E10.9)</code>, <code>deceased=is.null</code>. <code>snapshot=7</code>, <code>as_of=2026-11-01T00:00:00Z</code> and <code>pin=name</code> read a state again.</p>
<h2>Is it well?</h2>
<ul class="links"><li><a href="/healthz">/healthz</a> (the process runs)</li><li><a href="/readyz">/readyz</a> (it can answer)</li><li><a href="/metrics">/metrics</a> (for Prometheus)</li></ul>`,
  );
}
