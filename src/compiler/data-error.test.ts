import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Connection, Database } from "#duckdb";
import { loadDefinitions } from "#fhir";
import { compileView } from "./compile.js";
import { viewDataError } from "./data-error.js";
import { ndjsonRelation } from "./ndjson-relation.js";

let folder: string;
let database: Database;
let connection: Connection;

beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), "data-error-test-"));
  database = await Database.open({ threads: 1 });
  connection = await database.connect();
});

afterAll(() => {
  connection.close();
  database.close();
  rmSync(folder, { recursive: true });
});

async function outcome(view: unknown, lines: readonly string[]): Promise<unknown> {
  const compiled = compileView(view);
  const file = path.join(folder, "lines.ndjson");
  writeFileSync(file, lines.join("\n"));
  const { resource, requiredShape: shape } = compiled;
  const source = ndjsonRelation({
    files: [file],
    resourceType: resource,
    shape,
    definitions: loadDefinitions("4.0.1"),
  });
  try {
    return (await connection.rows(compiled.sql(source).text)).length;
  } catch (error) {
    return viewDataError(error)?.code;
  }
}

function nested(levels: number): string {
  let item = '{"linkId":"last"}';
  for (let level = 1; level < levels; level++) item = `{"linkId":"x","item":[${item}]}`;
  return `{"resourceType":"QuestionnaireResponse","id":"q","item":[${item}]}`;
}

describe("a tree of items", () => {
  const column = [
    { name: "link_id", path: "linkId" },
    { name: "at", path: "%rowIndex" },
  ];
  const plain = { resource: "QuestionnaireResponse", select: [{ repeat: ["item", "answer.item"], column }] };

  it.each([1, 4, 5, 31, 32])("of %i levels is followed to its end", async (levels) => {
    expect(await outcome(plain, [nested(levels)])).toBe(levels);
  });

  it.each([33, 40, 2000])("of %i levels is an error, never a cut-off answer", async (levels) => {
    expect(await outcome(plain, [nested(1), nested(levels)])).toBe("view/too-deep-data");
  });

  it("under forEachOrNull and unionAll keeps the row without a focus", async () => {
    const view = {
      resource: "QuestionnaireResponse",
      select: [
        { column: [{ name: "id", path: "id" }] },
        {
          forEachOrNull: "item.where(linkId = 'none')",
          unionAll: [{ repeat: ["item"], column: [{ name: "link_id", path: "linkId" }] }],
        },
      ],
    };
    expect(await outcome(view, [nested(3)])).toBe(1);
  });
});

describe("a line that is no resource", () => {
  const typed = { resource: "Patient", select: [{ column: [{ name: "id", path: "id" }] }] };
  const quoted = {
    resource: "Observation",
    select: [{ column: [{ name: "v", path: "value.ofType(Quantity).value" }] }],
  };

  it.each([
    ["an array", "[1]"],
    ["a number", "5"],
    ["without a type", '{"id":"x"}'],
  ])("stops the statement: %s", async (_what, line) => {
    expect(await outcome(typed, ['{"resourceType":"Patient","id":"a"}', line])).toBe("view/bad-line");
    expect(await outcome(quoted, [line, '{"resourceType":"Observation","id":"a"}'])).toBe("view/bad-line");
  });
});
