import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Database } from "#duckdb";
import { packageRoot } from "#kernel";
import { viewRunner } from "#query";
import type { RunView } from "../../src/compiler/conformance/index.js";
import { checkAgreement, quarrelKind } from "./agreement.js";
import { reducePair } from "./reduce.js";

const shared = process.env["FHIR_LAKE_SHARED"] ?? path.resolve(packageRoot(), "../shared");
const folders = ["synthea-small", "synthea-bulk-10", "au-core", "edge-cases"];
/** Resources of each file that are tried; `FHIR_LAKE_DIFF_FULL=1` tries all of them. */
const sample = process.env["FHIR_LAKE_DIFF_FULL"] === "1" ? Number.POSITIVE_INFINITY : 25;
const chunk = 400;
/**
 * Resources of the edge cases that are not FHIR R4: `_address` on a complex element, `answer` and `context.encounter` that
 * are no lists. The oracle reads them kindly, the compiler as if the element were absent.
 */
const notFhir = /"_address":\[|"answer":\{|"id":"DocumentReference[A-Z]"/;

interface NamedView {
  readonly name: string;
  readonly resource: string;
  readonly view: unknown;
}

/** The same without SQL types chosen by tag: those are the runner's own business, the values are the oracle's. */
function untagged(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(untagged);
  if (typeof json !== "object" || json === null) return json;
  const members = Object.entries(json).filter(([name]) => name !== "tag");
  return Object.fromEntries(members.map(([name, member]) => [name, untagged(member)]));
}

function readViews(dir: string): NamedView[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(".json") && !name.endsWith(".cases.json"))
    .map((name) => {
      const view = JSON.parse(readFileSync(path.join(dir, name), "utf8")) as { resource: string };
      return { name, resource: view.resource, view: untagged(view) };
    });
}

/** Lines of a type's file in one of the data sets, every n-th when there are more than the sample allows. */
function readLines(folder: string, type: string): string[] {
  const plain = path.join(shared, "data", folder, `${type}.ndjson`);
  const text = existsSync(plain)
    ? readFileSync(plain, "utf8")
    : existsSync(`${plain}.gz`)
      ? gunzipSync(readFileSync(`${plain}.gz`)).toString("utf8")
      : "";
  const lines = text.split("\n").filter((line) => line !== "" && !notFhir.test(line));
  const step = Math.max(1, Math.ceil(lines.length / sample));
  return lines.filter((_, index) => index % step === 0);
}

const views = [
  ...readViews(path.join(packageRoot(), "viewdefinitions")),
  ...readViews(path.join(shared, "conformance/pathling-benchmark-views")),
];

describe.skipIf(!existsSync(shared))("every shipped view gives what the oracle gives, on real data", () => {
  let database: Database;
  let runView: RunView;
  beforeAll(async () => {
    database = await Database.open({ threads: 1 });
    runView = viewRunner(database);
  });
  afterAll(() => database.close());

  /** Undefined when both agree on these resources, or on each half where a view cannot take one of them. */
  async function quarrel(view: unknown, resources: readonly string[]): Promise<string | undefined> {
    const outcome = await checkAgreement({ view, resources }, runView, Number.POSITIVE_INFINITY);
    if (outcome.kind === "agree") return undefined;
    if (outcome.kind === "agree-on-error") {
      if (resources.length === 1) return undefined;
      const half = Math.ceil(resources.length / 2);
      return (await quarrel(view, resources.slice(0, half))) ?? (await quarrel(view, resources.slice(half)));
    }
    const small = await reducePair(
      { view, resources },
      async (pair) => {
        const again = await checkAgreement(pair, runView, Number.POSITIVE_INFINITY);
        return (
          again.kind === outcome.kind &&
          (again.kind !== "disagree" ||
            outcome.kind !== "disagree" ||
            quarrelKind(again.reason) === quarrelKind(outcome.reason))
        );
      },
      800,
    );
    const last = await checkAgreement(small, runView, Number.POSITIVE_INFINITY);
    return JSON.stringify({ ...last, ...small }, undefined, 1);
  }

  test.each(views)("$name", { timeout: 900_000 }, async ({ resource, view }) => {
    for (const folder of folders) {
      const lines = readLines(folder, resource);
      for (let at = 0; at < lines.length; at += chunk) {
        expect(await quarrel(view, lines.slice(at, at + chunk)), folder).toBeUndefined();
      }
    }
  });
});
