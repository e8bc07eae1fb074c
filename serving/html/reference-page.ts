import { html } from "./page.js";

/** What the reference page may load: files of this server alone. Icons of its style sheet are data addresses. */
export const REFERENCE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** The page that shows `/openapi.json` and lets people try it. */
export function referencePage(): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Reference · fhir-lake</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="stylesheet" href="/docs/start.css">
<script src="/docs/swagger-ui-bundle.js" defer></script>
<script src="/docs/start.js" defer></script>
</head>
<body>
<nav aria-label="Pages"><a href="/">fhir-lake</a> · <a href="/views">views</a> · <a href="/openapi.json">openapi.json</a></nav>
<form id="key" hidden>
<label for="secret">API key or token</label>
<input id="secret" type="password" autocomplete="off" required>
<button type="submit">Show the reference</button>
<p id="problem" role="alert"></p>
</form>
<main id="reference"><noscript>This page needs JavaScript; <a href="/openapi.json">openapi.json</a> says the same.</noscript></main>
</body>
</html>
`.text;
}

/** Its own part of the style. */
export const referenceStyle = `body { margin: 0; font: 16px/1.5 system-ui, sans-serif; }
nav, form { padding: 0.75rem 1.25rem; }
nav { border-bottom: 1px solid #8886; }
`;

/**
 * Its script. A key is kept in the memory of the page alone: it goes when the page does, and nothing but this server is sent it.
 */
export const referenceScript = `"use strict";
(() => {
  const form = document.getElementById("key");
  const secret = document.getElementById("secret");
  const problem = document.getElementById("problem");
  let authorization;
  const authorized = (request) => {
    if (authorization !== undefined && new URL(request.url, location.href).origin === location.origin) {
      request.headers = { ...request.headers, Authorization: request.headers?.Authorization ?? authorization };
    }
    return { ...request, credentials: "omit" };
  };
  const show = async () => {
    const headers = authorization === undefined ? {} : { Authorization: authorization };
    // Without it the browser would ask for a name and a password in a window of its own.
    const response = await fetch("/openapi.json", { headers, credentials: "omit" });
    if (response.ok) {
      form.hidden = true;
      SwaggerUIBundle({
        spec: await response.json(),
        dom_id: "#reference",
        deepLinking: true,
        docExpansion: "list",
        filter: true,
        defaultModelsExpandDepth: -1,
        displayRequestDuration: true,
        validatorUrl: null,
        requestInterceptor: authorized,
      });
      return;
    }
    form.hidden = response.status !== 401 && response.status !== 403;
    const { detail } = await response.json();
    // That a key is needed is said by the form itself.
    problem.textContent = authorization !== undefined || form.hidden ? detail : "";
    if (form.hidden) document.getElementById("reference").textContent = problem.textContent;
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    authorization = "Bearer " + secret.value.trim();
    show();
  });
  show();
})();
`;
