import { existsSync } from "node:fs";
import fhirpath from "fhirpath";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Database } from "#duckdb";
import { columnsOf, isOneRowPerResource, selectsOf, shippedViews, tagOf } from "./shipped.js";

const views = shippedViews();
const snakeCase = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/;
const sqlTypes = ["DATE", "TIMESTAMP WITH TIME ZONE", "DOUBLE"];
const phiClasses = ["direct-identifier", "quasi-identifier", "date", "none"];
const primitives = "boolean canonical code date dateTime decimal id instant integer string uri url".split(
  " ",
);
const functions =
  "where exists empty first ofType extension join lowBoundary highBoundary getResourceKey getReferenceKey count iif toString toDecimal".split(
    " ",
  );

let reserved: ReadonlySet<string>;
let database: Database;
beforeAll(async () => {
  database = await Database.open();
  const rows = await database.with((connection) =>
    connection.rows("SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category = 'reserved'"),
  );
  reserved = new Set(rows.map((row) => String(row["keyword_name"])));
});
afterAll(() => {
  database.close();
});

function pathsOf(view: (typeof views)[number]["view"]): string[] {
  const selects = selectsOf(view);
  return [
    ...(view.where ?? []).map((where) => where.path),
    ...selects.flatMap((select) => (select.column ?? []).map((column) => column.path)),
    ...selects.flatMap((select) => [select.forEach, select.forEachOrNull, ...(select.repeat ?? [])]),
  ].filter((path) => path !== undefined);
}

test("there are views enough, each with cases and a name of its own", () => {
  expect(views.length).toBeGreaterThanOrEqual(24);
  expect(new Set(views.map((view) => view.name)).size).toBe(views.length);
  expect(views.filter((view) => !existsSync(view.casesPath)).map((view) => view.name)).toEqual([]);
});

describe.each(views)("$name", ({ name, view }) => {
  test("is a Shareable ViewDefinition named like its file", () => {
    expect(view).toMatchObject({
      resourceType: "ViewDefinition",
      url: `https://fhir-lake.dev/ViewDefinition/${name}`,
      name,
      status: "active",
      fhirVersion: ["4.0.1"],
    });
    expect(view.title).toMatch(/\S/);
    expect(view.description).toMatch(/\.$/);
    expect(view.resource).toMatch(/^[A-Z]/);
  });

  test("says in its description how many rows a resource has", () => {
    const iterates = selectsOf(view).some((select) => select.forEach ?? select.repeat ?? select.unionAll);
    expect(isOneRowPerResource(view)).toBe(!iterates);
    if (iterates) expect(view.description).toMatch(/^One row per /);
    expect(view.description.startsWith("At most one row per resource. ")).toBe(
      !iterates && view.where !== undefined,
    );
  });

  test("describes, types and classifies every column", () => {
    for (const column of selectsOf(view).flatMap((select) => select.column ?? [])) {
      expect(column.description, column.name).toMatch(/^[A-Z].*\.$/);
      expect(primitives, column.name).toContain(column.type);
      expect(phiClasses, column.name).toContain(tagOf(column, "fhir-lake/phi"));
      expect([undefined, ...sqlTypes], column.name).toContain(tagOf(column, "ansi/type"));
    }
  });

  test("has unique column names that need no quotes in SQL", () => {
    const names = columnsOf(view).map((column) => column.name);
    expect(new Set(names).size).toBe(names.length);
    for (const word of [name, ...names]) {
      expect(word).toMatch(snakeCase);
      expect(reserved.has(word), word).toBe(false);
    }
  });

  test("parses as FHIRPath and keeps to the common functions", () => {
    for (const path of pathsOf(view)) {
      expect(() => void fhirpath.parse(path), path).not.toThrow();
      for (const [, called] of path.matchAll(/([A-Za-z]+)\(/g)) {
        if (called !== "and" && called !== "or") expect(functions, path).toContain(called);
      }
    }
  });

  test("declares the constants it uses and no others", () => {
    const used = pathsOf(view).flatMap((path) => [...path.matchAll(/%(\w+)/g)].map((match) => match[1]!));
    const declared = (view.constant ?? []).map((constant) => constant.name);
    expect([...new Set(used)].filter((constant) => constant !== "rowIndex").sort()).toEqual(declared.sort());
  });

  test("pairs typed columns with the text they come from", () => {
    const names = new Set(columnsOf(view).map((column) => column.name));
    for (const column of columnsOf(view)) {
      const type = tagOf(column, "ansi/type");
      if (type === undefined) continue;
      const stem = column.name.replace(/_(start|end|at|date|number)$/, "");
      const texts = [stem, `${stem}_text`, column.name.replace("_number", "_text")];
      if (type !== "DOUBLE") {
        const prefix = stem
          .replace(/(^|_)(period|start|end)$/, "$1")
          .replace(/^(context|billable)_?$/, "$1_");
        texts.push(`${prefix}start_text`, `${prefix}end_text`);
      }
      expect(
        texts.some((text) => text !== column.name && names.has(text)),
        column.name,
      ).toBe(true);
    }
  });
});

test("one resource type has one own key, always the first column, and every view has the id beside it", () => {
  const keys = new Map<string, Set<string>>();
  for (const { view } of views) {
    const [key, id] = columnsOf(view);
    expect(key!.path).toBe("getResourceKey()");
    expect(key!.name).toMatch(/_key$/);
    expect(id).toMatchObject({ name: "id", path: "id" });
    keys.set(view.resource, (keys.get(view.resource) ?? new Set()).add(key!.name));
  }
  for (const [resource, names] of keys) expect([...names], resource).toHaveLength(1);
});

test("a key that names the view it joins to names a view and column that exist", () => {
  const known = new Set(views.flatMap(({ name, view }) => columnsOf(view).map((c) => `${name}.${c.name}`)));
  for (const { name, view } of views) {
    for (const column of columnsOf(view)) {
      for (const [, target] of column.description.matchAll(/joins to ([a-z_]+\.[a-z_]+)/g)) {
        expect(known.has(target!), `${name}.${column.name} joins to ${target}`).toBe(true);
      }
    }
  }
});

test("a column of one name has one type in all views, save a few names of general meaning", () => {
  const meanings = new Map<string, string>();
  for (const { name, view } of views) {
    for (const column of columnsOf(view)) {
      if (["status", "type", "system", "use", "value", "category"].includes(column.name)) continue;
      const meaning = `${column.type} ${tagOf(column, "ansi/type") ?? ""}`;
      expect(meanings.get(column.name) ?? meaning, `${name}.${column.name}`).toBe(meaning);
      meanings.set(column.name, meaning);
    }
  }
});
