import type { Figure } from "../scenario.js";
import type { QuestionCosts } from "./measure-questions.js";
import type { Setting } from "./setting.js";

/** Asks after which a lake has paid for itself; undefined when it never does, because an ask of it costs as much or more. */
function asksToBreakEven(once: number, fhir: number, lake: number): number | undefined {
  // A hundredth is what the clock of processor time tells apart.
  return fhir > lake * 1.01 ? Math.ceil(once / (fhir - lake)) : undefined;
}

/** What the lake cost before the first question, and after how many questions that is earned back. */
export function costFigures(
  { ingest, exportCpu, lakeBytes, fhirBytes, resources }: Setting,
  costs: readonly QuestionCosts[],
): { readonly figures: Figure[]; readonly notes: string[] } {
  const figures: Figure[] = [
    { name: "resources", value: resources, unit: "" },
    { name: "ingest from the FHIR server, wall", value: ingest.wall, unit: "s" },
    { name: "ingest, lake's CPU", value: ingest.cpu, unit: "s" },
    { name: "ingest, lake's peak memory", value: ingest.peakRss / 1e6, unit: "MB" },
    { name: "storage, lake with all views", value: lakeBytes / 1e6, unit: "MB" },
  ];
  if (fhirBytes !== undefined)
    figures.push({ name: "storage, FHIR server", value: fhirBytes / 1e6, unit: "MB" });
  if (exportCpu !== undefined)
    figures.push({ name: "ingest, FHIR server's CPU", value: exportCpu, unit: "s" });
  const notes: string[] = [];
  const add = (subject: string, what: string, asks: number | undefined): void => {
    if (asks === undefined)
      notes.push(`${subject}: the lake never pays by ${what}; the FHIR server answers at least as cheaply.`);
    else
      figures.push({
        name: `${subject}: asks to break even by ${what}`,
        value: asks,
        unit: "asks",
        at: { subject, side: "lake", what: `break-even by ${what}` },
      });
  };
  const once = exportCpu === undefined ? undefined : ingest.cpu + exportCpu;
  for (const { question, wall, cpu } of costs) {
    add(question, "wall", asksToBreakEven(ingest.wall, wall.fhir, wall.lake));
    if (once !== undefined && cpu.fhir !== undefined && cpu.lake !== undefined)
      add(question, "CPU", asksToBreakEven(once, cpu.fhir, cpu.lake));
  }
  const sum = (of: (cost: QuestionCosts) => number): number =>
    costs.reduce((total, cost) => total + of(cost), 0);
  const wall = { fhir: sum((cost) => cost.wall.fhir), lake: sum((cost) => cost.wall.lake) };
  add("all eight questions", "wall", asksToBreakEven(ingest.wall, wall.fhir, wall.lake));
  const cpu = {
    fhir: sum((cost) => cost.cpu.fhir ?? Number.NaN),
    lake: sum((cost) => cost.cpu.lake ?? Number.NaN),
  };
  if (once !== undefined && !Number.isNaN(cpu.fhir + cpu.lake))
    add("all eight questions", "CPU", asksToBreakEven(once, cpu.fhir, cpu.lake));
  return { figures, notes };
}
