import { describe, expect, it } from "vitest";
import { evenDraw, exponential, Random, weighted } from "./random.js";

/** The published algorithm in exact integers, as a second opinion. */
function* sfc32(state: readonly number[]): Generator<number> {
  const mask = 0xffff_ffffn;
  let [a, b, c, d] = state.map((word) => BigInt(word) & mask) as [bigint, bigint, bigint, bigint];
  for (;;) {
    const t = (a + b + d) & mask;
    d = (d + 1n) & mask;
    a = b ^ (b >> 9n);
    b = (c + ((c << 3n) & mask)) & mask;
    c = (((c << 21n) & mask) | (c >> 11n)) & mask;
    c = (c + t) & mask;
    yield Number(t);
  }
}

function draws<T>(count: number, draw: () => T): T[] {
  return Array.from({ length: count }, draw);
}

describe("Random", () => {
  it("gives the words of sfc32", () => {
    const random = new Random(0x12345678, 0x9abcdef0, 0xffffffff, 1);
    const expected = sfc32([0x12345678, 0x9abcdef0, 0xffffffff, 1]);
    for (let i = 0; i < 2000; i++) expect(random.word()).toBe(expected.next().value);
  });

  it("gives the same stream for the same name and another for any other name", () => {
    const first = (seed: number, index: number, purpose: string) =>
      Random.stream(seed, index, purpose).uuid();
    expect(first(7, 3, "person")).toBe(first(7, 3, "person"));
    const names = [
      first(7, 3, "person"),
      first(8, 3, "person"),
      first(7, 4, "person"),
      first(7, 3, "persons"),
      first(7 + 2 ** 32, 3, "person"),
      first(7, 3 + 2 ** 32, "person"),
    ];
    expect(new Set(names).size).toBe(names.length);
  });

  it("draws whole numbers evenly and never outside their range", () => {
    const random = Random.stream(1, 1, "whole");
    const counts = new Map<number, number>();
    for (const n of draws(60_000, () => random.whole(-2, 3))) counts.set(n, (counts.get(n) ?? 0) + 1);
    expect([...counts.keys()].sort((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2, 3]);
    for (const count of counts.values()) expect(Math.abs(count - 10_000)).toBeLessThan(400);
  });

  it("draws normal numbers with the asked mean and deviation, within 3.47 deviations", () => {
    const random = Random.stream(1, 2, "normal");
    const values = draws(40_000, () => random.normal(10, 2));
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length;
    expect(mean).toBeCloseTo(10, 1);
    expect(Math.sqrt(variance)).toBeCloseTo(2, 1);
    expect(Math.max(...values.map((v) => Math.abs(v - 10)))).toBeLessThan(2 * 3.47);
  });

  it("draws Poisson counts with the asked mean", () => {
    const random = Random.stream(1, 3, "poisson");
    const values = draws(20_000, () => random.poisson(4.2));
    expect(values.reduce((a, b) => a + b, 0) / values.length).toBeCloseTo(4.2, 1);
    expect(random.poisson(0)).toBe(0);
  });

  it("chooses items in proportion to their weights", () => {
    const random = Random.stream(1, 4, "choose");
    const table = weighted([
      ["rare", 1],
      ["never", 0],
      ["common", 9],
    ] as const);
    const values = draws(20_000, () => random.choose(table));
    expect(values).not.toContain("never");
    expect(values.filter((v) => v === "rare").length / values.length).toBeCloseTo(0.1, 1);
  });

  it("writes UUIDs of version 4 that do not repeat", () => {
    const random = Random.stream(1, 5, "uuid");
    const ids = draws(5000, () => random.uuid());
    for (const id of ids)
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe("exponential", () => {
  it("agrees with Math.exp to eleven digits", () => {
    for (let x = -20; x <= 20; x += 0.37) expect(exponential(x) / Math.exp(x)).toBeCloseTo(1, 11);
  });
});

describe("evenDraw", () => {
  it("covers the unit square evenly in every run of indexes", () => {
    for (const start of [0, 5_000, 9_999_000]) {
      const cells = new Map<string, number>();
      for (let i = start; i < start + 400; i++) {
        const cell = `${Math.floor(evenDraw(3, i, 0) * 5)}/${Math.floor(evenDraw(3, i, 1) * 5)}`;
        cells.set(cell, (cells.get(cell) ?? 0) + 1);
      }
      expect(cells.size).toBe(25);
      for (const count of cells.values()) expect(Math.abs(count - 16)).toBeLessThanOrEqual(6);
    }
  });
});
