import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compileView } from "#compiler";
import { Database } from "#duckdb";
import { isLakeError } from "#kernel";
import { viewRunner } from "#query";
import type { RunView } from "../../src/compiler/conformance/index.js";
import { Random } from "../differential/random.js";
import { randomResource } from "../differential/resources.js";
import { resourceTypes } from "../differential/schema.js";
import { randomView } from "../differential/views.js";
import { fuzzedPath, mutatedView, nastyTexts } from "./mutate.js";

const runs = Number(process.env["FHIR_LAKE_FUZZ_RUNS"] ?? 10_000);
const seed = Number(process.env["FHIR_LAKE_FUZZ_SEED"] ?? 99);
/** A compilation that takes longer than this is taken for a hang. */
const compileLimitMs = 3000;
const runLimitMs = 20_000;

const resources = resourceTypes.flatMap((type, i) =>
  [0, 1].map((j) =>
    randomResource(new Random(i * 7 + j), type, j, { primitiveExtension: 0.1, valueless: 0.3 }),
  ),
);

/** Undefined when the outcome is a result or an error a user can act on; else what is wrong with it. */
function complaintAbout(error: unknown): string | undefined {
  if (!isLakeError(error))
    return `not a LakeError: ${error instanceof Error ? (error.stack ?? "") : String(error)}`;
  if (error.kind === "invalid-input" || error.kind === "unsupported") return undefined;
  const cause = error.cause instanceof Error ? error.cause.message.slice(0, 400) : "";
  return `${error.code}: ${error.message} ${cause}`;
}

interface Outcome {
  readonly complaint: string | undefined;
  readonly compiled: boolean;
}

async function tryView(view: unknown, runView: RunView): Promise<Outcome> {
  const started = performance.now();
  let compiled = false;
  let complaint: string | undefined;
  try {
    compileView(view);
    compiled = true;
  } catch (error) {
    complaint = complaintAbout(error);
  }
  if (performance.now() - started > compileLimitMs) complaint ??= "compiling took too long";
  if (!compiled) return { complaint, compiled };
  try {
    await runView(view, resources);
  } catch (error) {
    complaint ??= complaintAbout(error);
  }
  if (performance.now() - started > runLimitMs) complaint ??= "running took too long";
  return { complaint, compiled };
}

function viewOf(path: string, resource: string): unknown {
  return { resource, select: [{ column: [{ name: "v", path, collection: true }] }] };
}

describe("whatever is put in, out comes a result or a typed error", () => {
  let database: Database;
  let runView: RunView;
  beforeAll(async () => {
    database = await Database.open({ threads: 1, memoryLimitBytes: 1024 ** 3 });
    runView = viewRunner(database);
  });
  afterAll(() => database.close());

  async function judge(
    views: Iterable<unknown>,
  ): Promise<{ complaints: Map<string, string>; compiled: number }> {
    const complaints = new Map<string, string>();
    let compiled = 0;
    for (const view of views) {
      const outcome = await tryView(view, runView);
      if (outcome.compiled) compiled += 1;
      if (outcome.complaint === undefined) continue;
      const kind = outcome.complaint.replace(/\d+|"[^"]*"|'[^']*'/g, "_").slice(0, 120);
      const text = JSON.stringify(view);
      if (
        (complaints.get(kind)?.length ?? Number.POSITIVE_INFINITY) >
        text.length + outcome.complaint.length
      ) {
        complaints.set(kind, `${outcome.complaint.slice(0, 700)}\n    ${text.slice(0, 2000)}`);
      }
    }
    return { complaints, compiled };
  }

  const limit = 120_000 + runs * 100;

  test("for fuzzed FHIRPath strings", { timeout: limit }, async () => {
    const views = fc.sample(fc.nat(), { seed, numRuns: Math.ceil(runs * 0.7) }).map((pathSeed) => {
      const random = new Random(pathSeed);
      return viewOf(fuzzedPath(random), random.pick(resourceTypes));
    });
    const { complaints, compiled } = await judge(views);
    expect([...complaints.values()].join("\n")).toBe("");
    // Noise alone would only ever test the lexer.
    expect(compiled).toBeGreaterThan(views.length * 0.05);
    expect(compiled).toBeLessThan(views.length * 0.9);
  });

  test("for damaged ViewDefinitions", { timeout: limit }, async () => {
    const views = fc.sample(fc.nat(), { seed: seed + 1, numRuns: Math.ceil(runs * 0.3) }).map((viewSeed) => {
      const random = new Random(viewSeed);
      return mutatedView(random, randomView(random, random.pick(resourceTypes), 0.02));
    });
    const { complaints, compiled } = await judge(views);
    expect([...complaints.values()].join("\n")).toBe("");
    expect(compiled).toBeGreaterThan(views.length * 0.05);
  });

  test("for JSON of any kind in place of a ViewDefinition", { timeout: limit }, async () => {
    const values: unknown[] = fc.sample(fc.jsonValue(), { seed, numRuns: 300 });
    values.push(undefined, null, "x", 1, [], {}, { resource: "Patient", select: {} });
    const { complaints } = await judge(values);
    expect([...complaints.values()].join("\n")).toBe("");
  });

  test("for hostile text as name, path, type, tag, constant and resource", { timeout: limit }, async () => {
    const views = nastyTexts.flatMap((text): unknown[] => {
      const quoted = `'${text.replace(/\\/g, "\\\\").replace(/'/g, "\\'")}'`;
      const column = { name: "v", path: "id" };
      return [
        { resource: "Patient", select: [{ column: [{ ...column, name: text }] }] },
        { resource: "Patient", select: [{ column: [{ ...column, path: text }] }] },
        { resource: "Patient", select: [{ column: [{ ...column, path: quoted }] }] },
        {
          resource: "Patient",
          select: [{ column: [{ ...column, path: `name.where(family = ${quoted}).given.join(${quoted})` }] }],
        },
        { resource: "Patient", select: [{ column: [{ ...column, path: `id.matches(${quoted})` }] }] },
        { resource: "Patient", select: [{ column: [{ ...column, path: `extension(${quoted}).exists()` }] }] },
        { resource: "Patient", select: [{ column: [{ ...column, path: `\`${text}\`` }] }] },
        { resource: "Patient", select: [{ column: [{ ...column, type: text }] }] },
        { resource: "Patient", select: [{ column: [{ ...column, description: text }] }] },
        {
          resource: "Patient",
          select: [{ column: [{ ...column, tag: [{ name: "ansi/type", value: text }] }] }],
        },
        { resource: "Patient", select: [{ column: [{ ...column, tag: [{ name: text, value: "DATE" }] }] }] },
        {
          resource: "Patient",
          constant: [{ name: "c", valueString: text }],
          select: [{ column: [{ ...column, path: "%c" }] }],
        },
        {
          resource: "Patient",
          constant: [{ name: "c", valueDate: text }],
          select: [{ column: [{ ...column, path: "birthDate < %c" }] }],
        },
        { resource: "Patient", constant: [{ name: text, valueString: "x" }], select: [{ column: [column] }] },
        { resource: text, select: [{ column: [column] }] },
        { name: text, resource: "Patient", select: [{ column: [column] }] },
        { resource: "Patient", select: [{ forEach: text, column: [column] }] },
        { resource: "Patient", select: [{ column: [column] }], where: [{ path: `name.family = ${quoted}` }] },
      ];
    });
    const { complaints } = await judge(views);
    expect([...complaints.values()].join("\n")).toBe("");
  });
});
