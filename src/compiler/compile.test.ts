import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Connection, Database } from "#duckdb";
import { loadDefinitions, observedShape } from "#fhir";
import { isLakeError, type LakeError } from "#kernel";
import { type CompiledView, type CompileOptions, compileView } from "./compile.js";
import { viewDataError } from "./data-error.js";
import { ndjsonRelation } from "./ndjson-relation.js";

const r4 = loadDefinitions("4.0.1");
let folder: string;
let database: Database;
let connection: Connection;
let files = 0;

beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), "compile-test-"));
  database = await Database.open({ threads: 1 });
  connection = await database.connect();
});

afterAll(() => {
  connection.close();
  database.close();
  rmSync(folder, { recursive: true });
});

/** Rows of a view over lines of JSON, without the hidden key. */
async function rowsOf(
  view: CompiledView,
  lines: readonly string[],
  source = "",
): Promise<Record<string, unknown>[]> {
  const file = path.join(folder, `${++files}.ndjson`);
  writeFileSync(file, lines.join("\n"));
  const relation = ndjsonRelation({
    files: [file],
    resourceType: view.resource,
    shape: view.requiredShape,
    definitions: r4,
    source,
  });
  const rows = await connection.rows(view.sql(relation).text);
  return rows.map(({ _lake_key, ...row }) => row);
}

function patient(columns: Record<string, string>, extra: Record<string, unknown> = {}): CompiledView {
  const column = Object.entries(columns).map(([name, expression]) => ({ name, path: expression }));
  return compileView({ resource: "Patient", select: [{ column, ...extra }] });
}

function errorOf(view: unknown, options?: CompileOptions): LakeError {
  try {
    compileView(view, options);
  } catch (error) {
    if (isLakeError(error)) return error;
    throw error;
  }
  throw new Error("the view compiled");
}

describe("the statement", () => {
  it("gives the hidden key first, then the columns in order: own, nested, union, sibling", async () => {
    const view = compileView({
      resource: "Patient",
      select: [
        {
          unionAll: [{ column: [{ name: "c", path: "'C'" }] }],
          select: [{ column: [{ name: "b", path: "'B'" }] }],
          column: [{ name: "a", path: "id" }],
        },
        { column: [{ name: "d", path: "'D'" }] },
      ],
    });
    expect(view.columns.map((column) => column.name)).toEqual(["a", "b", "c", "d"]);
    const file = path.join(folder, "order.ndjson");
    writeFileSync(file, '{"resourceType":"Patient","id":"p"}\n');
    const source = ndjsonRelation({
      files: [file],
      resourceType: "Patient",
      shape: view.requiredShape,
      definitions: r4,
    });
    const [row] = await connection.rows(view.sql(source).text);
    expect(Object.entries(row!)).toEqual([
      ["_lake_key", "Patient/p"],
      ["a", "p"],
      ["b", "B"],
      ["c", "C"],
      ["d", "D"],
    ]);
  });

  it("has no parameters, so that it can stand inside another statement", () => {
    const statement = patient({ a: "id", b: "'it\\'s'" }).sql({
      relation: "t",
      shape: { kind: "struct", fields: new Map() },
      keyColumn: "k",
      idColumn: "i",
      sourceColumn: "s",
    });
    expect(statement.parameters).toEqual([]);
  });

  it("makes keys with the source's name when there is one", async () => {
    const view = patient({
      key: "getResourceKey()",
      gp: "generalPractitioner.first().getReferenceKey(Practitioner)",
    });
    const line =
      '{"resourceType":"Patient","id":"p","generalPractitioner":[{"reference":"Practitioner/d/_history/3"}]}';
    expect(await rowsOf(view, [line])).toEqual([{ key: "Patient/p", gp: "Practitioner/d" }]);
    expect(await rowsOf(view, [line], "north")).toEqual([
      { key: "north/Patient/p", gp: "north/Practitioner/d" },
    ]);
  });

  it.each([
    ["Patient/1", "Patient/1"],
    ["Patient/1/_history/2", "Patient/1"],
    ["https://example.org/fhir/Patient/1", "Patient/1"],
    ["https://example.org/fhir/Patient/1/_history/2", "Patient/1"],
    ["Patient?identifier=http://example.org/a|1", null],
    ["http://example.org/Patient?identifier=Patient/1", null],
    ["urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", null],
    ["#contained", null],
    ["Patient/", null],
    ["Group/1", null],
  ])("takes from the reference %s the key %s", async (reference, key) => {
    const view = compileView({
      resource: "Condition",
      select: [{ column: [{ name: "k", path: "subject.getReferenceKey(Patient)" }] }],
    });
    const line = JSON.stringify({ resourceType: "Condition", id: "c", subject: { reference } });
    expect(await rowsOf(view, [line])).toEqual([{ k: key }]);
  });

  it("compiles what the source lacks to NULL of the right type", async () => {
    const view = patient(
      {
        id: "id",
        born: "birthDate",
        names: "name.given.join(' ')",
        race: "extension('r').extension('x').value.ofType(Coding).code.first()",
      },
      {
        select: [
          {
            forEachOrNull: "contact",
            column: [
              { name: "n", path: "%rowIndex" },
              { name: "c", path: "telecom.value.first()" },
            ],
          },
        ],
      },
    );
    const file = path.join(folder, "lacking.ndjson");
    writeFileSync(file, '{"resourceType":"Patient","id":"p"}\n');
    const shape = observedShape(r4, "Patient", ["id"]);
    const source = ndjsonRelation({ files: [file], resourceType: "Patient", shape, definitions: r4 });
    const rows = await connection.rows(view.sql(source).text);
    expect(rows).toEqual([
      { _lake_key: "Patient/p", id: "p", born: null, names: null, race: null, n: 0, c: null },
    ]);
    const types = await connection.rows<{ column_type: string }>(`DESCRIBE ${view.sql(source).text}`);
    expect(types.map((column) => column.column_type)).toEqual([
      "VARCHAR",
      ...view.columns.map((column) => column.sqlType),
    ]);
  });

  it("reads lines of its own type only, and NULL where JSON has another form than FHIR demands", async () => {
    const lines = [
      '{"resourceType":"Organization","id":"o","name":"not a list"}',
      '{"resourceType":"Patient","id":"p","name":"not a list","active":"maybe"}',
      '{"resourceType":"Patient","id":"q","name":[{"family":"F"}],"active":true}',
    ];
    expect(await rowsOf(patient({ id: "id", f: "name.family.first()", a: "active" }), lines)).toEqual([
      { id: "p", f: null, a: null },
      { id: "q", f: "F", a: true },
    ]);
  });
});

describe("data that breaks a rule", () => {
  it("is a typed error that names the column", async () => {
    const view = patient({ id: "id", family: "name.family" });
    const line = '{"resourceType":"Patient","id":"p","name":[{"family":"a"},{"family":"b"}]}';
    const failure = await rowsOf(view, [line]).catch((error: unknown) => error);
    const error = viewDataError(failure);
    expect(error?.code).toBe("view/multiple-values");
    expect(error?.details).toEqual({ column: "family" });
  });

  it("is a typed error where FHIRPath wants one item", async () => {
    const view = patient({ x: "name.family > 'a'" });
    const line = '{"resourceType":"Patient","id":"p","name":[{"family":"a"},{"family":"b"}]}';
    const failure = await rowsOf(view, [line]).catch((error: unknown) => error);
    expect(viewDataError(failure)?.code).toBe("view/singleton-expected");
  });

  it("is not taken for other errors", () => {
    expect(viewDataError(new Error("disk full"))).toBeUndefined();
    expect(viewDataError("text")).toBeUndefined();
  });
});

describe("types of columns", () => {
  it("follow the tag, then the declared type, then the path", () => {
    const view = compileView({
      resource: "Observation",
      select: [
        {
          column: [
            { name: "a", path: "status" },
            { name: "b", path: "value.ofType(integer)" },
            { name: "c", path: "value.ofType(Quantity).value" },
            {
              name: "d",
              path: "effective.ofType(dateTime)",
              tag: [{ name: "ansi/type", value: "timestamp with time zone" }],
            },
            {
              name: "e",
              path: "value.ofType(Quantity).value",
              tag: [{ name: "ansi/type", value: "DECIMAL(10, 2)" }],
            },
            { name: "f", path: "category.coding.code", collection: true },
            { name: "g", path: "nothing", type: "boolean" },
          ],
        },
      ],
    });
    expect(view.columns.map(({ name, sqlType, fhirType }) => [name, sqlType, fhirType])).toEqual([
      ["a", "VARCHAR", "code"],
      ["b", "INTEGER", "integer"],
      ["c", "VARCHAR", "decimal"],
      ["d", "TIMESTAMP WITH TIME ZONE", "dateTime"],
      ["e", "DECIMAL(10,2)", "decimal"],
      ["f", "VARCHAR[]", "code"],
      ["g", "BOOLEAN", "boolean"],
    ]);
  });

  it("keep the path's type and warn when the declared one cannot hold it", () => {
    const view = compileView({
      resource: "Patient",
      select: [{ column: [{ name: "a", path: "name.family.first()", type: "boolean" }] }],
    });
    expect(view.columns[0]?.sqlType).toBe("VARCHAR");
    expect(view.warnings.map((warning) => warning.code)).toEqual(["view/type-mismatch"]);
  });

  it("refuse SQL types that nobody knows", () => {
    const error = errorOf({
      resource: "Patient",
      select: [{ column: [{ name: "a", path: "id", tag: [{ name: "ansi/type", value: "BLOB; DROP" }] }] }],
    });
    expect([error.code, error.details["path"]]).toEqual([
      "view/unsupported-type",
      "select[0].column[0].tag[0].value",
    ]);
  });
});

describe("what compilation says", () => {
  it.each([
    ["name.foo()", "fhirpath/unknown-function", "foo"],
    ["name.exist()", "fhirpath/unknown-function", "exist"],
    ["%missing", "fhirpath/unknown-constant", "%missing"],
    ["value.ofType(Quantty)", "fhirpath/unknown-type", "Quantty"],
    ["name.where()", "fhirpath/wrong-arguments", "name.where()"],
    ["birthDate > 5", "fhirpath/wrong-type", ">"],
    ["today()", "fhirpath/unsupported", "today"],
    ["name.resolve()", "fhirpath/unsupported", "resolve"],
  ])("of %s is %s, pointing at it", (expression, code, pointed) => {
    const error = errorOf({ resource: "Patient", select: [{ column: [{ name: "a", path: expression }] }] });
    expect(error.code).toBe(code);
    expect(error.details["path"]).toBe("select[0].column[0].path");
    const { start, end } = error.details["span"] as { start: number; end: number };
    expect(expression.slice(start, end)).toBe(pointed);
    expect(error.details["caret"]).toContain("^".repeat(pointed.length));
  });

  it("warns about elements that do not exist, and refuses them when strict", () => {
    const view = { resource: "Patient", select: [{ column: [{ name: "a", path: "name.familly" }] }] };
    const [warning] = compileView(view).warnings;
    expect(warning?.code).toBe("fhirpath/unknown-element");
    expect(warning?.message).toContain("Did you mean 'family'?");
    expect(errorOf(view, { strict: true }).code).toBe("fhirpath/unknown-element");
  });

  it.each([["$this"], ["iif(true, item)"], ["%resource.item"], ["'a'"], ["item | $this"]])(
    "refuses the repeat %s, which might never end",
    (expression) => {
      const view = {
        resource: "Questionnaire",
        select: [{ repeat: [expression], column: [{ name: "a", path: "linkId" }] }],
      };
      expect(errorOf(view).code).toBe("view/endless-repeat");
    },
  );

  it("refuses a repeat that names the type of its own focus", () => {
    const view = {
      resource: "Patient",
      select: [
        { forEach: "extension", select: [{ repeat: ["Extension"], column: [{ name: "a", path: "url" }] }] },
      ],
    };
    expect(errorOf(view).code).toBe("view/endless-repeat");
  });

  it.each([
    [
      [
        {
          column: [
            { name: "a", path: "id" },
            { name: "a", path: "id" },
          ],
        },
      ],
      "view/duplicate-column",
    ],
    [
      [{ column: [{ name: "a", path: "id" }] }, { column: [{ name: "A", path: "id" }] }],
      "view/duplicate-column",
    ],
    [
      [{ column: [{ name: "a", path: "id" }], unionAll: [{ column: [{ name: "a", path: "id" }] }] }],
      "view/duplicate-column",
    ],
    [
      [{ unionAll: [{ column: [{ name: "a", path: "id" }] }, { column: [{ name: "b", path: "id" }] }] }],
      "view/union-columns",
    ],
    [
      [{ unionAll: [{ column: [{ name: "a", path: "id" }] }, { column: [{ name: "a", path: "active" }] }] }],
      "view/union-types",
    ],
  ])("refuses columns that clash (case %#)", (select, code) => {
    expect(errorOf({ resource: "Patient", select }).code).toBe(code);
  });
});

describe("compiled views", () => {
  it("are kept by content, whatever the order of properties", () => {
    const a = compileView({ resource: "Patient", select: [{ column: [{ name: "kept", path: "id" }] }] });
    const b = compileView({ select: [{ column: [{ path: "id", name: "kept" }] }], resource: "Patient" });
    expect(b).toBe(a);
    const c = compileView({ resource: "Patient", select: [{ column: [{ name: "kept", path: "gender" }] }] });
    expect(c.hash).not.toBe(a.hash);
    expect(a.hash).toMatch(/^[0-9a-f]{64}$/);
  });

  it("use the definitions of their FHIR version", () => {
    const select = [{ column: [{ name: "a", path: "attachment.size" }], forEach: "content" }];
    const types = [["4.0.1"], ["5.0.0"]].map(
      (fhirVersion) =>
        compileView({ resource: "DocumentReference", fhirVersion, select }).columns[0]?.sqlType,
    );
    expect(types).toEqual(["INTEGER", "BIGINT"]);
    expect(errorOf({ resource: "Patient", fhirVersion: ["3.0.2"], select }).code).toBe(
      "view/unsupported-version",
    );
  });

  it("explain their plan and their SQL", () => {
    const text = patient({ id: "id" }).explain();
    expect(text).toContain("project Patient");
    expect(text).toContain("SELECT");
  });
});
