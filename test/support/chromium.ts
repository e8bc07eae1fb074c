import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";

const places = [
  process.env["FHIR_LAKE_CHROMIUM"],
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
];

/**
 * The browser of this machine: FHIR_LAKE_CHROMIUM, else where packages install Chromium. Undefined when there is none; with
 * REQUIRE_SERVICES=1 that is an error.
 */
export function chromiumPath(): string | undefined {
  const found = places.find((place) => place !== undefined && place !== "" && existsSync(place));
  if (found === undefined && process.env["REQUIRE_SERVICES"] === "1") {
    throw new Error("Chromium is required: install it, or set FHIR_LAKE_CHROMIUM to its program.");
  }
  return found;
}

/** Starts it without a window. Close it. */
export async function launchChromium(executablePath: string): Promise<Browser> {
  return await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  });
}

/** What a page did beside what its reader saw. */
export interface PageWatch {
  /** Errors and warnings that the browser or a script wrote, violations of the content policy among them. */
  readonly complaints: string[];
  /** Addresses that were asked for at other origins. */
  readonly foreign: string[];
}

/** Notes from now on what a page complains about, and what it asks of other origins than `origin`; those requests fail. */
export async function watchPage(page: Page, origin: string): Promise<PageWatch> {
  const watch: PageWatch = { complaints: [], foreign: [] };
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) watch.complaints.push(message.text());
  });
  page.on("pageerror", (error) => watch.complaints.push(String(error)));
  await page.route("**/*", async (route) => {
    const url = new URL(route.request().url());
    if (url.origin === origin || url.protocol === "data:") return await route.continue();
    watch.foreign.push(url.href);
    return await route.abort();
  });
  return watch;
}
