/** Text that is safe inside an element or a quoted attribute, whatever it holds. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** HTML that was built from escaped parts. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Part = string | number | Html | readonly Html[];

/** A template whose holes are escaped unless they are HTML already. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  let text = strings[0]!;
  parts.forEach((part, index) => {
    if (part instanceof Html) text += part.text;
    else if (Array.isArray(part)) text += (part as readonly Html[]).map((item) => item.text).join("");
    else text += escapeHtml(String(part));
    text += strings[index + 1]!;
  });
  return new Html(text);
}

/** The style sheet of all pages, served from this host: pages load nothing from elsewhere. */
export const styleSheet = `:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; --line: #8886; --soft: #8882; }
body { margin: 1rem auto 4rem; max-width: 76rem; padding: 0 1rem; }
a { color: light-dark(#0b57d0, #a8c7fa); }
h1 { font-size: 1.5rem; margin: 1rem 0 0.25rem; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin-top: 2rem; } h3 { font-size: 1rem; margin-bottom: 0.25rem; }
nav ul, .links { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; list-style: none; margin: 0; padding: 0; }
nav { border-bottom: 1px solid var(--line); padding-bottom: 0.5rem; }
.fresh { border-left: 0.4rem solid #2e7d32; background: var(--soft); padding: 0.25rem 0.75rem; margin: 1rem 0; }
.fresh p, .fresh ul { margin: 0.25rem 0; }
.fresh.stale, .fresh.incomplete { border-color: #b26a00; } .fresh.degraded { border-color: #c62828; } .fresh.pinned { border-color: #1565c0; }
.scroll { overflow-x: auto; max-height: 40rem; border: 1px solid var(--line); }
table { border-collapse: collapse; font-size: 0.875rem; }
caption { text-align: left; padding: 0.25rem 0.5rem; }
th, td { border: 1px solid var(--line); padding: 0.25rem 0.5rem; text-align: left; vertical-align: top; max-width: 30rem; overflow-wrap: anywhere; }
thead th { position: sticky; top: 0; background: Canvas; }
th small { display: block; font-weight: normal; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
pre { background: var(--soft); padding: 0.5rem; margin: 0.25rem 0 1rem; overflow-x: auto; user-select: all; }
.null { font-style: italic; }
:focus-visible { outline: 3px solid light-dark(#0b57d0, #a8c7fa); }
`;

/** A whole page. */
export function page(title: string, body: Html): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · fhir-lake</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<nav aria-label="Pages"><ul><li><a href="/">fhir-lake</a></li><li><a href="/views">views</a></li><li><a href="/queries">queries</a></li><li><a href="/snapshots">snapshots</a></li><li><a href="/freshness">freshness</a></li><li><a href="/docs">reference</a></li></ul></nav>
<main>
<h1>${title}</h1>
${body}
</main>
</body>
</html>
`.text;
}
