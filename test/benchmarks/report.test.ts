import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { packageRoot } from "#kernel";
import { interval, number, size, table } from "../../benchmarks/report/format.js";
import { barPlot, linePlot } from "../../benchmarks/report/svg.js";
import { reportFiles } from "../../benchmarks/report/write.js";

describe("the report of the benchmarks", () => {
  it("is what the results say: run npm run bench -- --report after changing either", () => {
    const root = packageRoot();
    for (const [name, content] of reportFiles(root)) {
      const file = path.join(root, name);
      expect(existsSync(file) && readFileSync(file, "utf8") === content, `${name} is up to date`).toBe(true);
    }
  });

  it("has no plot that no result stands behind", () => {
    const folder = path.join(packageRoot(), "docs", "benchmarks");
    const made = [...reportFiles(packageRoot()).keys()];
    const there = existsSync(folder) ? readdirSync(folder) : [];
    expect(there.filter((name) => !made.includes(`docs/benchmarks/${name}`))).toEqual([]);
  });
});

describe("numbers for people", () => {
  it("have three significant digits and no exponent", () => {
    expect([0.000123, 0.12345, 1.2345, 12.345, 1234.5, 1_234_567].map(number)).toEqual([
      "0.00012",
      "0.12",
      "1.23",
      "12.3",
      "1,235",
      "1,234,567",
    ]);
    expect([12, 12_345, 12_345_678].map(size)).toEqual(["12 B", "12.3 kB", "12.3 MB"]);
  });

  it("show no interval for a figure that was measured once", () => {
    const figure = { name: "", value: 2, unit: "s", low: 1, high: 3 };
    expect(interval({ ...figure, repeats: 7 })).toBe("1 – 3");
    expect(interval({ ...figure, repeats: 1 })).toBe("");
    expect(table(["a"], [])).toBe("");
  });
});

describe("plots", () => {
  it("draw a longer bar for a larger value, a whisker for an interval, and nothing for what is missing", () => {
    const svg = barPlot({
      title: "a < b",
      unit: "ms",
      series: ["FHIR", "lake"],
      groups: [
        { label: "one", bars: [{ value: 1000, low: 900, high: 1100 }, { value: 10 }] },
        { label: "two", bars: [undefined, { value: 100 }] },
      ],
    });
    const widths = [...svg.matchAll(/<rect x="190" y="[\d.]+" width="([\d.]+)"/g)].map((match) =>
      Number(match[1]),
    );
    expect(widths).toHaveLength(3);
    expect(widths[0]).toBeGreaterThan(widths[2]!);
    expect(svg.match(/stroke="#222"/g)).toHaveLength(1);
    expect(svg).toContain("a &lt; b");
    expect(svg).toContain("logarithmic axis: ten times as much is one step; bars begin at 10 ms");
  });

  it("show a value with the digits that tables have", () => {
    const bars = [{ value: 2075 }, { value: 45.678 }];
    const svg = barPlot({ title: "", unit: "ms", series: ["a", "b"], groups: [{ label: "", bars }] });
    expect(svg).toContain(">2,075<");
    expect(svg).toContain(">45.7<");
  });

  it("draw what grows in proportion as a straight line", () => {
    const svg = linePlot({
      title: "growth",
      x: "resources",
      unit: "s",
      lines: [
        {
          label: "ingest",
          points: [
            [1e4, 1],
            [1e5, 10],
            [1e6, 100],
          ],
        },
      ],
    });
    const points = /points="([^"]+)"/
      .exec(svg)![1]!
      .split(" ")
      .map((point) => point.split(",").map(Number));
    const slope = (a: number[], b: number[]): number => (b[1]! - a[1]!) / (b[0]! - a[0]!);
    expect(slope(points[0]!, points[1]!)).toBeCloseTo(slope(points[1]!, points[2]!), 2);
    expect(points[2]![1]).toBeLessThan(points[0]![1]!);
  });
});
