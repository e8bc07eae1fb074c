import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { runAll } from "../../benchmarks/run-all.js";
import type { BenchContext, Scenario } from "../../benchmarks/scenario.js";

function scenario(name: string, run: Scenario["run"]): Scenario {
  return { name, about: `about ${name}`, options: ["keep", "size"], run };
}

const figures = [{ name: "a", value: 1, unit: "s" }];

describe("the runner of scenarios", () => {
  it("goes on after one that fails, keeps what the others measured, and names the failure", async () => {
    const lines: string[] = [];
    const kept: string[] = [];
    const failures = await runAll(
      [
        scenario("before", () => Promise.resolve(figures)),
        scenario("absent", () => Promise.reject(new Error("its data are not there"))),
        scenario("after", () => Promise.resolve({ figures, notes: ["a note"] })),
      ],
      {
        quick: true,
        options: { keep: "/home/somebody", size: "3" },
        log: (line) => void lines.push(line),
        onRecord: ({ name }, record) => {
          kept.push(name);
          expect(record.options).toEqual({ size: "3" });
          expect(record.figures).toEqual(figures);
        },
      },
    );
    expect(kept).toEqual(["before", "after"]);
    expect([...failures]).toEqual([["absent", "its data are not there"]]);
    expect(lines.some((line) => line.startsWith("absent failed: Error: its data are not there"))).toBe(true);
  });

  it("leaves no scratch folder behind, whether a scenario ends well or not", async () => {
    const folders: string[] = [];
    const seen = ({ scratch }: BenchContext): void => {
      expect(existsSync(scratch)).toBe(true);
      folders.push(scratch);
    };
    await runAll(
      [
        scenario("well", (context) => {
          seen(context);
          return Promise.resolve(figures);
        }),
        scenario("badly", (context) => {
          seen(context);
          throw new Error("no");
        }),
      ],
      { quick: true, options: {}, log: () => undefined, onRecord: () => undefined },
    );
    expect(folders.map((folder) => existsSync(folder))).toEqual([false, false]);
  });
});
