import { afterAll, describe, expect, it } from "vitest";
import { Database, quoteLiteral } from "#duckdb";
import { type DeltaType, deltaTypeOfSql, sqlTypeOf } from "./delta-type.js";
import { conforms, parsePhysicalType } from "./physical-type.js";

const string: DeltaType = { kind: "primitive", name: "string" };
const list = (item: DeltaType): DeltaType => ({ kind: "array", item });
const struct = (fields: Record<string, DeltaType>): DeltaType => ({
  kind: "struct",
  fields: Object.entries(fields).map(([name, type]) => ({ name, type })),
});

const database = await Database.open();
afterAll(() => database.close());

async function describeType(sqlType: string): Promise<string> {
  const [row] = await database.with((connection) =>
    connection.rows<{ column_type: string }>(`DESCRIBE SELECT NULL::${sqlType} AS c`),
  );
  return row!.column_type;
}

describe("a physical type", () => {
  it("conforms to the published type that it was made from, whatever the names of its fields", async () => {
    const name = list(
      struct({
        end: string,
        given: list(string),
        'a "b", c': struct({ value: { kind: "primitive", name: "decimal(10,3)" } }),
        when: { kind: "primitive", name: "timestamp" },
      }),
    );
    expect(conforms(parsePhysicalType(await describeType(sqlTypeOf(name))), name)).toBe(true);
  });

  it("may have its fields in another order but must have all of them and no others", () => {
    const published = list(struct({ a: string, b: string }));
    const is = (physical: string): boolean => conforms(parsePhysicalType(physical), published);
    expect(is("STRUCT(b VARCHAR, a VARCHAR)[]")).toBe(true);
    expect(is("STRUCT(a VARCHAR)[]")).toBe(false);
    expect(is("STRUCT(a VARCHAR, b VARCHAR, c VARCHAR)[]")).toBe(false);
    expect(is("STRUCT(a VARCHAR, b INTEGER)[]")).toBe(false);
    expect(is("STRUCT(a VARCHAR, b VARCHAR)")).toBe(false);
    expect(is("VARCHAR[]")).toBe(false);
  });

  it("does not conform as JSON, which some readers take for bytes", () => {
    expect(conforms(parsePhysicalType("JSON"), string)).toBe(false);
    expect(conforms(parsePhysicalType("JSON[]"), list(string))).toBe(false);
  });

  it("is refused when the engine prints something unknown", () => {
    expect(() => parsePhysicalType("STRUCT(a")).toThrow(
      expect.objectContaining({ code: "delta/unknown-type" }),
    );
  });

  it("is cast to a published type with more, fewer or reordered nested fields without touching values", async () => {
    const casts: [string, DeltaType, unknown][] = [
      ["[{'x': '1'}]", list(struct({ w: string, x: string })), [{ w: null, x: "1" }]],
      ["{'b': '2', 'a': '1'}", struct({ a: string, b: string }), { a: "1", b: "2" }],
      ["[{'a': '1', 'gone': '2'}]", list(struct({ a: string })), [{ a: "1" }]],
      [`['{"n": 1.10}'::JSON]`, list(string), ['{"n": 1.10}']],
    ];
    for (const [value, type, expected] of casts) {
      const [row] = await database.with((connection) =>
        connection.rows<{ v: unknown }>(`SELECT CAST(${value} AS ${sqlTypeOf(type)}) AS v`),
      );
      expect(row!.v).toEqual(expected);
    }
  });
});

describe("published types of view columns", () => {
  it("are those of the first protocol version: instants in UTC, wider integers, text for what Delta lacks", async () => {
    const expected: Record<string, string> = {
      VARCHAR: "string",
      BOOLEAN: "boolean",
      INTEGER: "integer",
      BIGINT: "long",
      UTINYINT: "integer",
      UINTEGER: "long",
      UBIGINT: "decimal(20,0)",
      HUGEINT: "decimal(38,0)",
      DOUBLE: "double",
      DATE: "date",
      TIMESTAMP: "timestamp",
      "TIMESTAMP WITH TIME ZONE": "timestamp",
      "DECIMAL(18,2)": "decimal(18,2)",
      UUID: "string",
      TIME: "string",
      JSON: "string",
    };
    for (const [sqlType, name] of Object.entries(expected)) {
      const type = deltaTypeOfSql(sqlType);
      expect([sqlType, type]).toEqual([sqlType, { kind: "primitive", name }]);
      expect(await describeType(sqlTypeOf(type))).toBe(sqlTypeOf(type));
    }
    expect(deltaTypeOfSql("DATE[]")).toEqual({ kind: "array", item: { kind: "primitive", name: "date" } });
    expect(quoteLiteral(sqlTypeOf(deltaTypeOfSql("DATE[]")))).toBe("'DATE[]'");
  });
});
