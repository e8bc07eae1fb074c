import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LakeServer } from "../../src/app/serve.js";
import { chromiumPath, launchChromium, type PageWatch, watchPage } from "../support/chromium.js";
import { type ServedPopulation, servedPopulation } from "../support/served-population.js";

const program = chromiumPath();
const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface AxeResults {
  readonly violations: readonly {
    readonly id: string;
    readonly impact: string;
    readonly nodes: readonly { readonly html: string }[];
  }[];
}

/** Rules of WCAG A and AA, and good practice, that a page breaks. */
async function axeViolations(page: Page): Promise<string[]> {
  // Through the debugger, which the content policy of the page does not bind.
  await page.evaluate(`${axeSource}; 0`);
  const { violations } = await page.evaluate<AxeResults>("axe.run()");
  return violations.map(({ id, impact, nodes }) => `${id} (${impact}): ${nodes[0]?.html ?? ""}`);
}

describe.skipIf(program === undefined)("pages in a browser", () => {
  let population: ServedPopulation;
  let server: LakeServer;
  let browser: Browser;

  beforeAll(async () => {
    population = await servedPopulation(12);
    server = await population.serve();
    browser = await launchChromium(program!);
  }, 120_000);
  afterAll(async () => {
    await browser.close();
    await population.close();
  });

  const opened = async (address: string): Promise<{ page: Page; watch: PageWatch }> => {
    const page = await browser.newPage();
    const watch = await watchPage(page, server.url);
    await page.goto(`${server.url}${address}`, { waitUntil: "networkidle" });
    return { page, watch };
  };

  it.each(["/", "/views", "/views/patient_demographics", "/views/condition?limit=3"])(
    "show %s without a complaint, without asking another host, and open to readers of every kind",
    async (address) => {
      const { page, watch } = await opened(address);
      expect(await page.title()).toContain("fhir-lake");
      expect(watch).toEqual({ complaints: [], foreign: [] });
      expect(await axeViolations(page)).toEqual([]);
      await page.close();
    },
  );

  it("say how fresh their rows are and lead to schema, profile, formats and reference", async () => {
    const { page } = await opened("/views/condition?limit=3");
    expect(await page.getByRole("status").textContent()).toMatch(/^ok: up to date\.\s+Snapshot 2 of 20/);
    for (const name of ["schema", "profile", "lineage", "csv", "parquet", "xlsx", "reference"]) {
      const link = page.getByRole("link", { name, exact: true }).first();
      const href = (await link.getAttribute("href"))!;
      expect((await fetch(`${server.url}${href}`)).status, name).toBe(200);
    }
    await page.close();
  });

  it("draw the reference from this server alone, and try an address of it", async () => {
    const { page, watch } = await opened("/docs");
    await page.getByText("/views/patient_demographics", { exact: true }).first().waitFor();
    await page.locator("#operations-server-getHealthz button").first().click();
    await page.getByRole("button", { name: "Try it out" }).click();
    await page.getByRole("button", { name: "Execute" }).click();
    await page.locator(".live-responses-table tbody td.response-col_status").first().waitFor();
    expect(
      await page.locator(".live-responses-table tbody td.response-col_status").first().textContent(),
    ).toContain("200");
    // Columns are parameters.
    await page.locator("#operations-views-getViewsPatient_demographics button").first().click();
    await page.locator('tr[data-param-name="birth_date_start"]').waitFor();
    expect(watch).toEqual({ complaints: [], foreign: [] });
    await page.close();
  });
});
