import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Database } from "#duckdb";
import { viewRunner } from "#query";
import type { RunView } from "../../src/compiler/conformance/index.js";
import { type Agreement, checkAgreement, type Pair, quarrelKind } from "./agreement.js";
import { Random } from "./random.js";
import { reducePair } from "./reduce.js";
import { type Quirks, randomResource } from "./resources.js";
import { resourceTypes } from "./schema.js";
import { randomView } from "./views.js";

/** Pairs of a run (fewer on a developer's machine), and the seed of the run: `FHIR_LAKE_DIFF_RUNS=20000 FHIR_LAKE_DIFF_SEED=7 npx vitest run …`. */
const runs = Number(process.env["FHIR_LAKE_DIFF_RUNS"] ?? (process.env["CI"] === undefined ? 600 : 2000));
const seed = Number(process.env["FHIR_LAKE_DIFF_SEED"] ?? 20_260_907);
/** Views tried on each set of resources; writing and reading the resources costs more than compiling a view. */
const viewsPerSet = 4;
const rowLimit = 3000;
/** Where disagreements go, smallest form first; nothing is written when unset. */
const findingsDir = process.env["FHIR_LAKE_DIFF_FINDINGS"];

function pairsFrom(pairSeed: number, quirks: Quirks, recklessness: number): Pair[] {
  const random = new Random(pairSeed);
  const type = random.pick(resourceTypes);
  const resources = random.list(3, 10, (i) => randomResource(random, type, i, quirks));
  // Another type among them must not matter.
  resources.push(
    randomResource(random, random.pick(resourceTypes.filter((other) => other !== type)), 99, quirks),
  );
  return Array.from({ length: viewsPerSet }, () => ({
    view: randomView(random, type, recklessness),
    resources,
  }));
}

interface Tally {
  agree: number;
  rows: number;
  errors: number;
  unsupported: Map<string, number>;
  skipped: number;
  disagreements: { pair: Pair; reason: string }[];
}

function countUnsupported(tally: Tally, message: string): void {
  const what = message.replace(/^\S+: /, "");
  tally.unsupported.set(what, (tally.unsupported.get(what) ?? 0) + 1);
}

function count(tally: Tally, pair: Pair, outcome: Agreement | { kind: "skipped" }): void {
  switch (outcome.kind) {
    case "agree":
      tally.agree += 1;
      tally.rows += outcome.rowCount;
      break;
    case "agree-on-error":
      tally.errors += 1;
      break;
    case "unsupported":
      countUnsupported(tally, outcome.message);
      break;
    case "skipped":
      tally.skipped += 1;
      break;
    case "disagree":
      tally.disagreements.push({ pair, reason: outcome.reason });
  }
}

async function report(tally: Tally, runView: RunView): Promise<string> {
  const kinds = new Map<string, { pair: Pair; reason: string }>();
  for (const one of tally.disagreements) {
    const kind = quarrelKind(one.reason);
    if (!kinds.has(kind)) kinds.set(kind, one);
  }
  const lines: string[] = [];
  for (const one of [...kinds.values()].slice(0, 12)) {
    const small = await reducePair(
      one.pair,
      async (candidate) => {
        const outcome = await checkAgreement(candidate, runView, rowLimit);
        return outcome.kind === "disagree" && quarrelKind(outcome.reason) === quarrelKind(one.reason);
      },
      1500,
    );
    const outcome = await checkAgreement(small, runView, rowLimit);
    const reason = outcome.kind === "disagree" ? outcome.reason : one.reason;
    lines.push(
      `${reason}\n  (first seen as ${one.reason})\n  view ${JSON.stringify(small.view)}\n  on ${small.resources.join("\n     ")}`,
    );
  }
  return lines.join("\n");
}

describe("compiler and oracle agree on generated views and resources", () => {
  let database: Database;
  let runView: RunView;
  beforeAll(async () => {
    database = await Database.open({ threads: 1 });
    runView = viewRunner(database);
  });
  afterAll(() => database.close());

  const suites: [string, Quirks, number, number][] = [
    ["plain data", { primitiveExtension: 0, valueless: 0 }, 0, 0.6],
    ["elements with ids, extensions and no value", { primitiveExtension: 0.15, valueless: 0.4 }, 0, 0.25],
    ["paths with too many items", { primitiveExtension: 0.02, valueless: 0.3 }, 0.25, 0.15],
  ];
  test.each(suites)(
    "%s",
    async (name, quirks, recklessness, share) => {
      const tally: Tally = {
        agree: 0,
        rows: 0,
        errors: 0,
        unsupported: new Map(),
        skipped: 0,
        disagreements: [],
      };
      const sets = Math.ceil((runs * share) / viewsPerSet);
      for (const pairSeed of fc.sample(fc.nat(), { seed, numRuns: sets })) {
        for (const pair of pairsFrom(pairSeed, quirks, recklessness)) {
          count(tally, pair, await checkAgreement(pair, runView, rowLimit));
        }
      }
      const summary = {
        ...tally,
        unsupported: Object.fromEntries(tally.unsupported),
        disagreements: tally.disagreements.length,
      };
      console.log(name, JSON.stringify(summary));
      const text = await report(tally, runView);
      if (findingsDir !== undefined && text !== "") {
        mkdirSync(findingsDir, { recursive: true });
        writeFileSync(
          path.join(findingsDir, `${name.replaceAll(" ", "-")}.txt`),
          `${JSON.stringify(summary)}\n${text}\n`,
        );
      }
      expect(text).toBe("");
      expect(tally.agree).toBeGreaterThan(sets * viewsPerSet * 0.5);
    },
    Math.max(600_000, runs * 1000),
  );
});
