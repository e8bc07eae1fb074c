import type { Freshness } from "#query";
import { type Html, html } from "./page.js";

const meanings: Readonly<Record<Freshness["state"], string>> = {
  ok: "up to date",
  stale: "a source is older than its target",
  incomplete: "changes of a source were missed",
  degraded: "live changes cannot be followed",
  pinned: "a state named by number, time or pin; newer ones are left out",
};

/** How fresh a page is: the parts that time alone does not change, so that equal entity tags mean equal pages. */
export function freshnessLine({ snapshot, asOf, epoch, state, reasons, deletesVerified }: Freshness): Html {
  const live = epoch === null ? html`` : html` and live changes up to epoch ${epoch}`;
  const why = reasons.map((reason) => html`<li>${reason}</li>`);
  return html`<div class="fresh ${state}" role="status"><p><strong>${state}</strong>: ${meanings[state]}.
Snapshot ${snapshot} of <time datetime="${asOf}">${asOf}</time>${live}; <a href="/freshness">all of it</a>.${deletesVerified ? html`` : html` Some deleted records may still be here.`}</p>
${why.length === 0 ? html`` : html`<ul>${why}</ul>`}</div>`;
}
