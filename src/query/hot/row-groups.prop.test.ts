import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Database, quoteLiteral } from "#duckdb";
import type { KeyRange } from "../catalog.js";
import { rangeOf } from "../key-range.js";
import type { Condition } from "../question/condition.js";
import { RowGroups } from "./row-groups.js";

const value = fc.oneof(
  fc.constantFrom("", "a", "Patient/1", "Patient/10", "Patient/2", "é", "ﬀ", "😀", "z"),
  fc.string({ unit: "grapheme", maxLength: 3 }).filter((text) => !text.includes("\0")),
);
const groups = fc.array(fc.array(fc.option(value, { freq: 8 }), { minLength: 1, maxLength: 4 }), {
  minLength: 1,
  maxLength: 6,
});
/** Of four rows each, but for the last one: in the order of the engine. */
const sortedGroups = fc
  .array(fc.option(value, { freq: 8 }), { minLength: 1, maxLength: 60, size: "max" })
  .map((all) => {
    const known = all.filter((text) => text !== null).map((text) => Buffer.from(text));
    const sorted = known.sort(Buffer.compare).map((text): string | null => text.toString());
    const rows = [...sorted, ...all.filter((text) => text === null)];
    return Array.from({ length: Math.ceil(rows.length / 4) }, (_, i) => rows.slice(4 * i, 4 * i + 4));
  });
const filter: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({
    operator: fc.constantFrom("eq", "gt", "gte", "lt", "lte", "neq", "like"),
    column: fc.constantFrom("k", "other"),
    value,
  }),
  fc.record({
    operator: fc.constant("in"),
    column: fc.constant("k"),
    values: fc.array(value, { minLength: 1, maxLength: 3 }),
  }),
);

describe("the groups of a copy's rows", () => {
  let database: Database;
  beforeAll(async () => {
    database = await Database.open();
  });
  afterAll(() => database.close());

  /** Of the rows, in order, those that the engine finds in the range. */
  async function within(rows: readonly (string | null)[], { from, to }: KeyRange): Promise<number[]> {
    const values = rows.map((text, index) => `(${index}, ${text === null ? "NULL" : quoteLiteral(text)})`);
    const where = [
      "k IS NOT NULL",
      ...(from === undefined ? [] : [`k >= ${quoteLiteral(from)}`]),
      ...(to === undefined ? [] : [`k <= ${quoteLiteral(to)}`]),
    ];
    const found = await database.with((connection) =>
      connection.rows<{ i: number }>(
        `SELECT i FROM (VALUES ${values.join(", ")}) t(i, k) WHERE ${where.join(" AND ")} ORDER BY i`,
      ),
    );
    return found.map(({ i }) => i);
  }

  async function ends(
    rows: readonly (string | null)[],
  ): Promise<{ least: string | null; greatest: string | null }> {
    const values = rows.map((text) => `(${text === null ? "NULL" : quoteLiteral(text)})`);
    const [row] = await database.with((connection) =>
      connection.rows<{ least: string | null; greatest: string | null }>(
        `SELECT min(k) AS least, max(k) AS greatest FROM (VALUES ${values.join(", ")}) t(k)`,
      ),
    );
    return row!;
  }

  it("leave out no row that the engine finds between two values", async () => {
    const range = fc.record({
      from: fc.option(value, { nil: undefined }),
      to: fc.option(value, { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(fc.oneof(groups, sortedGroups), range, async (all, bounds) => {
        const known = new RowGroups("k", await Promise.all(all.map(ends)), 4);
        const numbered = all.flatMap((rows, group) => rows.map((text) => [group, text] as const));
        const found = await within(
          numbered.map(([, text]) => text),
          { column: "k", ...bounds },
        );
        const touched = found.map((i) => numbered[i]![0]);
        const span = known.span({ column: "k", ...bounds });
        if (touched.length > 0) expect(span).toBeDefined();
        for (const group of touched) {
          expect(group).toBeGreaterThanOrEqual(span!.first);
          expect(group).toBeLessThanOrEqual(span!.last);
        }
      }),
      { numRuns: 150, seed: 20 },
    );
  });

  it("reach as far as so many rows that come after a value, wherever they are known to", async () => {
    let reached = 0;
    await fc.assert(
      fc.asyncProperty(
        sortedGroups,
        fc.option(value, { nil: undefined }),
        fc.integer({ min: 1, max: 8 }),
        async (all, from, count) => {
          const known = new RowGroups("k", await Promise.all(all.map(ends)), 4);
          const to = known.reach(from, count);
          if (to === undefined) return;
          reached++;
          const rows = all.flat();
          const behind = (await within(rows, { column: "k", from, to })).filter((i) => rows[i] !== from);
          expect(behind.length).toBeGreaterThanOrEqual(count);
        },
      ),
      { numRuns: 150, seed: 22 },
    );
    expect(reached).toBeGreaterThan(30);
  });

  it("reach no known place where rows are not sorted, and none beyond the last group but one", () => {
    const group = (least: string, greatest: string) => ({ least, greatest });
    const sorted = [group("a", "c"), group("c", "e"), group("e", "g")];
    const known = new RowGroups("k", sorted, 10);
    expect([1, 10, 11, 20, 21].map((rows) => known.reach(undefined, rows))).toEqual([
      "c",
      "c",
      "e",
      "e",
      undefined,
    ]);
    expect(known.reach("b", 10)).toBe("e");
    expect(known.reach("c", 10)).toBeUndefined();
    expect(new RowGroups("k", sorted.toReversed(), 10).reach(undefined, 1)).toBeUndefined();
  });

  it("are narrowed by the filters of a question to no less than what meets them", () => {
    const meets = (text: string, one: Condition): boolean => {
      if (!("column" in one) || one.column !== "k") return true;
      const [a, b] = [Buffer.from(text), Buffer.from("value" in one ? one.value : "")];
      const order = Buffer.compare(a, b);
      if (one.operator === "eq") return order === 0;
      if (one.operator === "gt") return order > 0;
      if (one.operator === "gte") return order >= 0;
      if (one.operator === "lt") return order < 0;
      if (one.operator === "lte") return order <= 0;
      return one.operator === "in" ? one.values.includes(text) : true;
    };
    fc.assert(
      fc.property(fc.array(filter, { maxLength: 4 }), value, (filters, text) => {
        const range = rangeOf("k", filters);
        if (range === undefined || !filters.every((one) => meets(text, one))) return;
        const at = Buffer.from(text);
        if (range.from !== undefined)
          expect(Buffer.compare(at, Buffer.from(range.from))).toBeGreaterThanOrEqual(0);
        if (range.to !== undefined) expect(Buffer.compare(at, Buffer.from(range.to))).toBeLessThanOrEqual(0);
      }),
      { numRuns: 2000, seed: 21 },
    );
  });

  it("are none where no value lies in the range, and those in question alone where some do", () => {
    const known = new RowGroups(
      "k",
      [
        { least: "Patient/1", greatest: "Patient/3" },
        { least: "Patient/3", greatest: "Patient/5" },
        { least: null, greatest: null },
      ],
      4,
    );
    expect(known.span({ column: "k", from: "Patient/6" })).toBeUndefined();
    expect(known.span({ column: "k", from: "Patient/4", to: "Patient/9" })).toEqual({ first: 1, last: 1 });
    expect(known.span({ column: "k", from: "Patient/3", to: "Patient/3" })).toEqual({ first: 0, last: 1 });
  });
});
