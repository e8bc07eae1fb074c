import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseConfig } from "#config";
import { loadSavedQueries, shippedQueriesDirectory } from "#query";
import { newApiKey } from "#serving";
import { configuredAccess } from "../../src/app/access/configured-access.js";
import { LakeKeys } from "../../src/app/access/lake-keys.js";
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

describe.skipIf(program === undefined)("pages in a browser", { timeout: 90_000 }, () => {
  let population: ServedPopulation;
  let server: LakeServer;
  let browser: Browser;

  beforeAll(async () => {
    population = await servedPopulation(12, ["patient_demographics", "condition", "encounter"]);
    server = await population.serve({
      savedQueries: await loadSavedQueries([shippedQueriesDirectory()]),
    });
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

  it.each([
    "/",
    "/views",
    "/queries",
    "/queries/patients_by_birth_decade",
    "/views/patient_demographics",
    "/views/condition?limit=3",
  ])(
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

  describe("of a server that asks for a key", () => {
    let keyed: LakeServer;
    const { key, record } = newApiKey({
      name: "a test",
      role: "visitor",
      createdAt: "2026-01-01T00:00:00.000Z",
    });

    beforeAll(async () => {
      await new LakeKeys(population.lake.store).add(record);
      const config = parseConfig(
        {
          security: {
            local: false,
            roles: {
              visitor: {
                permissions: ["metadata.read", "views.read"],
                views: ["patient_demographics", "condition"],
                columns: { patient_demographics: { mrn: "drop" } },
              },
            },
          },
        },
        "test",
      );
      const access = await configuredAccess(population.lake, "127.0.0.1", {
        loaded: { config, folder: population.folder, file: undefined },
        environment: {},
        isLoopback: true,
        allowUnauthenticated: false,
      });
      keyed = await population.serve({ access });
    });

    const described = async (authorization: string): Promise<Response> =>
      await fetch(`${keyed.url}/openapi.json`, { headers: { Authorization: authorization } });

    it("describe to a caller what exists for that caller, and to nobody anything", async () => {
      expect((await fetch(`${keyed.url}/openapi.json`)).status).toBe(401);
      expect((await fetch(`${keyed.url}/metrics`)).status).toBe(401);
      const document = (await (await described(`Bearer ${key}`)).json()) as {
        paths: Record<string, { get: { security: object[]; parameters: { name?: string }[] } }>;
        components: { securitySchemes: object };
      };
      const views = Object.keys(document.paths).filter((path) => /^\/views\/\w+$/.test(path));
      expect(views).toEqual(["/views/condition", "/views/patient_demographics"]);
      const { parameters, security } = document.paths["/views/patient_demographics"]!.get;
      const names = parameters.map(({ name }) => name);
      expect(names).toContain("gender");
      expect(names).not.toContain("mrn");
      expect(security).toEqual([
        { bearer: ["views.read"] },
        { apiKey: ["views.read"] },
        { basic: ["views.read"] },
      ]);
      expect(Object.keys(document.components.securitySchemes)).toEqual(["bearer", "apiKey", "basic"]);
      // The role lacks the permission.
      const metrics = await fetch(`${keyed.url}/metrics`, { headers: { Authorization: `Bearer ${key}` } });
      expect(metrics.status).toBe(403);
    });

    it("show lines that take the key from the environment, and never the key", async () => {
      const page = await fetch(`${keyed.url}/views/condition`, {
        headers: { Authorization: `Bearer ${key}`, Accept: "text/html" },
      });
      const text = await page.text();
      expect(text).toContain("$FHIR_LAKE_KEY");
      expect(text).not.toContain(key);
    });

    it("ask for the key where the reference needs one, say why a wrong one is refused, and use the right one", async () => {
      const page = await browser.newPage();
      const watch = await watchPage(page, keyed.url);
      await page.goto(`${keyed.url}/docs`, { waitUntil: "networkidle" });
      const field = page.getByLabel("API key or token");
      await field.fill("fhirlake_wrong");
      await page.getByRole("button", { name: "Show the reference" }).click();
      await page.getByRole("alert").filter({ hasText: /\w/ }).waitFor();
      await field.fill(key);
      await page.getByRole("button", { name: "Show the reference" }).click();
      await page.locator("#operations-server-getSnapshots button").first().click();
      await page.getByRole("button", { name: "Try it out" }).click();
      await page.getByRole("button", { name: "Execute" }).click();
      const status = page.locator(".live-responses-table tbody td.response-col_status").first();
      await status.waitFor();
      expect(await status.textContent()).toContain("200");
      // The browser itself tells of the two refused requests.
      expect(watch.complaints.filter((text) => !text.includes("401"))).toEqual([]);
      expect(watch.foreign).toEqual([]);
      await page.close();
    });
  });
});
