import { describe, expect, it } from "vitest";
import type { Result } from "../../benchmarks/report/results.js";
import { scalingFigures } from "../../benchmarks/report/scaling.js";
import type { Figure } from "../../benchmarks/scenario.js";

/** A lake's life of so many resources, in which every step takes its unit cost times `slower`. */
function life(resources: number, slower: number, repeats: number, memory: number): Figure[] {
  const subject = resources.toLocaleString("en-US");
  const figure = (what: string, value: number): Figure => ({
    name: `${subject}: ${what}`,
    value,
    unit: "",
    repeats,
    at: { subject, side: "lake", what },
  });
  return [
    figure("resources", resources),
    figure("changed resources of the increment", resources / 100),
    figure("bytes of resources in the lake", resources * 100),
    figure("live changes in merged reads", 10),
    figure("ingest", resources * 1e-5 * slower),
    figure("views", resources * 1e-5),
    figure("increment", resources * 1e-6),
    figure("compaction", resources * 2e-5),
    figure("merged count", resources * 1e-5),
    figure("merged page", 20),
    figure("ingest, peak memory", 500),
    figure("compaction, peak memory", memory),
    figure("reads, peak memory", 600),
  ];
}

const direct: Result = {
  machine: {},
  figures: [
    { name: "resources", value: 1000, unit: "" },
    { name: "ingest from the FHIR server, wall", value: 0.5, unit: "s" },
    { name: "ingest, FHIR server's CPU", value: 1, unit: "s" },
  ],
};

describe("the figures of docs/scaling.md", () => {
  // The largest size comes first here, as one that was asked for by --once may come anywhere.
  const result: Result = {
    machine: { cores: 2, memoryGiB: 8, commit: "a", busyBefore: 0 },
    figures: [...life(1e6, 2, 1, 4000), ...life(1e4, 1, 3, 1000), ...life(1e5, 1, 3, 2000)],
  };
  const text = scalingFigures(result, direct);

  it("reckon from the largest size, and say that it was lived through once", () => {
    expect(text).toContain("Measured at 1,000,000 resources, one life that was not repeated");
    expect(text).toContain("| one whole compaction within 4 hours | 14,400 s / compaction | 720 million |");
  });

  it("tell which step took most memory and how memory grew", () => {
    expect(text).toContain("4,000 MB, for compaction. While resources grew 100×");
    expect(text).toContain("| compaction | 1,000 MB | 2,000 MB | 4,000 MB | 4× |");
    // 8 GiB are 2.147 times as much, one doubling (for ten times the resources) and a tenth of one.
    expect(text).toMatch(/\| the memory of compaction within 8 GiB .* \| 12\.\d million \|/);
  });

  it("tell how well proportion predicted the largest size", () => {
    expect(text).toContain("| ingest | 10 s | 20 s | 2× |");
    expect(text).toContain("| views | 10 s | 10 s | 1× |");
  });

  it("keep a load from files and one from a FHIR server apart", () => {
    expect(text).toContain("| load from a FHIR server | 500 µs |");
    expect(text).toContain("1,000 µs of the server's CPU");
    expect(text).toContain("| the first load from a FHIR server within a weekend |");
    expect(scalingFigures(result, undefined)).not.toContain("from a FHIR server");
  });
});
