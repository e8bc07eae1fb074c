import type { Figure, Scenario } from "../scenario.js";
import { basisOf, parentheses } from "./basis.js";
import { directPlans, directPlot, directTables } from "./direct-section.js";
import { interval, measured, number, table } from "./format.js";
import { peersPlot, peersTables } from "./peers-section.js";
import { distinctOf, figureAt, type Result } from "./results.js";
import { linePlot } from "./svg.js";

/** A scenario's part of the report: Markdown blocks, and a plot where there is something to see. */
export interface Section {
  readonly blocks: readonly string[];
  readonly svg?: string;
}

function plainTable(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => [
    figure.name,
    `${number(figure.value)} ${figure.unit}`.trim(),
    interval(figure),
    basisOf(figure),
    figure.bar ?? "",
  ]);
  return table(["", "value", "from – to", "what it is", "aim"], rows);
}

/** Figures that stand somewhere as one table per side: a row per measured thing, a column per subject. */
function subjectsTable(result: Result): string {
  const placed = result.figures.filter(({ at }) => at !== undefined);
  const subjects = distinctOf(placed, "subject");
  const rows = distinctOf(placed, "what").map((what) => [
    what,
    ...subjects.map((subject) => measured(figureAt(result, subject, "lake", what))),
  ]);
  return table(["resources", ...subjects], rows);
}

function scaleSection(result: Result): Section {
  const sizes = distinctOf(result.figures, "subject");
  const lines = ["ingest", "views", "increment", "compaction"].map((what) => ({
    label: what,
    points: sizes.flatMap((size): [number, number][] => {
      const figure = figureAt(result, size, "lake", what);
      const resources = figureAt(result, size, "lake", "resources");
      return figure === undefined || resources === undefined ? [] : [[resources.value, figure.value]];
    }),
  }));
  return {
    blocks: [
      "![Time by number of resources](benchmarks/scale.svg)",
      subjectsTable(result),
      parentheses(result.figures),
      "What follows from this for larger lakes: [scaling.md](scaling.md).",
    ],
    svg: linePlot({ title: "A lake's steps by number of resources", x: "resources", unit: "s", lines }),
  };
}

/** The section of a scenario's results, which have a name of their own when they are of a variant. */
export function sectionOf({ name }: Pick<Scenario, "name">, result: Result, resultName = name): Section {
  switch (name) {
    case "direct-fhir": {
      const plans = resultName === name ? directPlans() : [];
      return { blocks: [...directTables(resultName, result), ...plans], svg: directPlot(result) };
    }
    case "scale":
      return scaleSection(result);
    case "peers":
      return { blocks: peersTables(result), svg: peersPlot(result) };
    default:
      return { blocks: [plainTable(result.figures)] };
  }
}
