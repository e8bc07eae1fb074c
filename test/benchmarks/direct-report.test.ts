import { describe, expect, it } from "vitest";
import { readmeTable } from "../../benchmarks/report/direct-readme.js";
import { directTables } from "../../benchmarks/report/direct-section.js";
import type { Figure } from "../../benchmarks/scenario.js";

const QUESTION = "cohort-count";

function placed(side: string, what: string, value: number, unit = "ms"): Figure {
  return {
    name: `${QUESTION}: ${what}, ${side}`,
    value,
    unit,
    at: { subject: QUESTION, side, what },
  };
}

const result = {
  machine: { cores: 2 },
  versions: { fhirServer: "HAPI", patients: "1000", java: "heap 4g" },
  figures: [
    placed("FHIR", "wall", 100),
    placed("lake", "wall", 40),
    placed("FHIR / lake", "wall", 2.5, "x"),
    placed("FHIR, stored searches", "wall", 20),
    placed("lake", "p50 at 1 client", 40),
    placed("lake", "p99 at 1 client", 90),
    placed("lake", "asks at 1 client", 100, ""),
    placed("lake", "p50 at 10 clients", 300),
    placed("lake", "p99 at 10 clients", 500),
    placed("lake", "asks at 10 clients", 101, ""),
    { name: "memory of the FHIR server", value: 4000, unit: "MB" },
    { name: "answer lag, lake: a change until it is shown", value: 2.4, unit: "s" },
  ],
};

describe("the table of the README", () => {
  it("shows that the FHIR server wins from its stored searches, and what both sides share", () => {
    const text = readmeTable(result);
    expect(text).toContain("| 100 ms | 40 ms | 2.5× | **20 ms, 0.5×** |");
    expect(text).toContain("share 2 cores");
    expect(text).toContain("hot copies");
    expect(text).toContain("2.4 s old when a run begins at once, plus the time until the next scheduled run");
  });
});

describe("the tables of the direct comparison", () => {
  const text = directTables("direct-fhir", result).join("\n");

  it("call the slowest of a hundred asks or fewer what it is, and not p99", () => {
    expect(text).toContain("40 ms / max 90 ms (100)");
    expect(text).toContain("300 ms / 500 ms (101)");
  });

  it("say that the memory of the FHIR server is what it was given", () => {
    expect(text).toContain("memory of the FHIR server (with its database; Java as given: heap 4g)");
  });
});
