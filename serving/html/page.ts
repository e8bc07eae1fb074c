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
export const styleSheet = `:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.875rem; }
caption { text-align: left; padding-bottom: 0.5rem; }
th, td { border: 1px solid #8886; padding: 0.25rem 0.5rem; text-align: left; vertical-align: top; max-width: 30rem; overflow-wrap: anywhere; }
pre { background: #8882; padding: 0.5rem; overflow-x: auto; }
.null { opacity: 0.5; }
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
<nav><a href="/">fhir-lake</a> · <a href="/views">views</a> · <a href="/snapshots">snapshots</a> · <a href="/freshness">freshness</a></nav>
<main>
<h1>${title}</h1>
${body}
</main>
</body>
</html>
`.text;
}
