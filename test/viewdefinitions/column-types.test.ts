import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CompiledView, compileView, ndjsonRelation, type ViewSource } from "#compiler";
import { Database, quoteLiteral, writeParquet } from "#duckdb";
import { loadDefinitions } from "#fhir";
import { isLakeError } from "#kernel";
import { Random } from "../differential/random.js";
import { resourceTypes } from "../differential/schema.js";
import { randomView } from "../differential/views.js";
import { casesOf } from "./cases.js";
import { shippedViews } from "./shipped.js";

const VIEWS = 80;
const SEED = 20_261_121;

/** A source in which no element was ever observed. */
const bare: ViewSource = {
  relation: "(SELECT uuid() AS _lake_key, 'a' AS _lake_id, 's' AS _lake_source)",
  shape: { kind: "struct", fields: new Map() },
  keyColumn: "_lake_key",
  idColumn: "_lake_id",
  sourceColumn: "_lake_source",
};

let scratch: string;
let database: Database;
beforeAll(async () => {
  scratch = await mkdtemp(path.join(tmpdir(), "fhir-lake-column-types-"));
  database = await Database.open({ threads: 1 });
});
afterAll(async () => {
  database.close();
  await rm(scratch, { recursive: true });
});

function full(view: CompiledView, file: string): ViewSource {
  return ndjsonRelation({
    files: [file],
    resourceType: view.resource,
    shape: view.requiredShape,
    definitions: loadDefinitions(view.fhirVersion),
  });
}

async function resourceFile(name: string, resources: readonly string[]): Promise<string> {
  const file = path.join(scratch, `${name}.ndjson`);
  await writeFile(file, resources.map((resource) => `${resource.replace(/[\r\n]+/g, " ")}\n`).join(""));
  return file;
}

/** Names and types of what a statement gives, without the key. */
async function described(of: string): Promise<[string, string][]> {
  const rows = await database.with((connection) =>
    connection.rows<{ column_name: string; column_type: string }>(`DESCRIBE ${of}`),
  );
  return rows.slice(1).map((row) => [row.column_name, row.column_type]);
}

function declared(view: CompiledView): [string, string][] {
  return view.columns.map((column) => [column.name, column.sqlType]);
}

describe("the files of a view have the types that its columns declare", () => {
  test.each(shippedViews())("$name", async (shipped) => {
    const view = compileView(shipped.view);
    const resources = casesOf(shipped).flatMap((one) => one.resources);
    const input = await resourceFile(shipped.name, resources);
    for (const [name, source] of Object.entries({ full: full(view, input), bare })) {
      const file = path.join(scratch, `${shipped.name}.${name}.parquet`);
      const select = view.sql(source).text;
      await database.with((connection) => writeParquet(connection, { select, path: file }));
      expect(await described(`SELECT * FROM read_parquet(${quoteLiteral(file)})`)).toEqual(declared(view));
    }
  });

  test(`${VIEWS} random views`, async () => {
    const random = new Random(SEED);
    const input = await resourceFile("none", []);
    let compared = 0;
    for (let i = 0; i < VIEWS; i++) {
      const definition = randomView(random, random.pick(resourceTypes), 0);
      let view: CompiledView;
      try {
        view = compileView(definition);
      } catch (error) {
        if (!isLakeError(error) || error.kind === "internal") throw error;
        continue;
      }
      for (const source of [full(view, input), bare]) {
        expect(await described(view.sql(source).text), JSON.stringify(definition)).toEqual(declared(view));
      }
      compared++;
    }
    expect(compared).toBeGreaterThan(VIEWS / 2);
  }, 120_000);
});
