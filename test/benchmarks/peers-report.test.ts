import { describe, expect, it } from "vitest";
import { peersReadmeTable, peersTables } from "../../benchmarks/report/peers-section.js";
import type { Result } from "../../benchmarks/report/results.js";
import type { Figure } from "../../benchmarks/scenario.js";

function placed(subject: string, side: string, what: string, value: number): Figure {
  return { name: `${subject}: ${what}, ${side}`, value, unit: "", at: { subject, side, what } };
}

const CPU = "CPU of 1,000 resources, warm";

const result: Result = {
  machine: { commit: "a", busyBefore: 0 },
  figures: [
    placed("encounter_flat", "fhir-lake", CPU, 5),
    placed("encounter_flat", "helios-sof", CPU, 50),
    placed("encounter_flat", "fhir-lake", "peak memory", 300),
    placed("encounter_flat", "helios-sof", "peak memory", 90),
    placed("encounter_flat", "fhir-lake", "resources", 20_000),
    placed("encounter_flat", "helios-sof", "resources", 2000),
    placed("patient_addresses", "fhir-lake", CPU, 5),
  ],
  notes: ["helios-sof cannot run patient_addresses: no forEach", "Pathling: not installed"],
};

describe("what is shown of the peers", () => {
  it("has the number of resources in each head, and a warning where whole processes got different ones", () => {
    const tables = peersTables(result);
    const memory = tables.find((block) => block.startsWith("**peak memory**"));
    expect(memory).toContain("helios-sof (2,000 resources)");
    expect(memory).toContain("not to be compared");
    expect(tables.find((block) => block.startsWith(`**${CPU}**`))).not.toContain("not to be compared");
  });

  it("tells in the README who got fewer resources, who starts anew, and where it says why there is a dash", () => {
    const text = peersReadmeTable(result);
    expect(text).toContain("| View | fhir-lake (20,000 resources) | helios-sof (2,000 resources) |");
    expect(text).toContain("| encounter_flat | 5 | 10× |");
    expect(text).toContain("helios-sof starts a process for each evaluation");
    expect(text).toContain("([why](docs/benchmarks.md#peers))");
    expect(text).not.toContain("Pathling");
  });
});
