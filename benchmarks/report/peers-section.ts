import { parentheses, whiskers } from "./basis.js";
import { measured, number, table } from "./format.js";
import { distinctOf, figureAt, type Result } from "./results.js";
import { barPlot } from "./svg.js";

const CPU = "CPU of 1,000 resources, warm";
const OURS = "fhir-lake";

/** A table per measured thing: a row per view, a column per engine. */
export function peersTables(result: Result): string[] {
  const subjects = distinctOf(result.figures, "subject");
  const sides = distinctOf(result.figures, "side");
  const tables = distinctOf(result.figures, "what").map((what) => {
    const rows = subjects.map((subject) => [
      subject,
      ...sides.map((side) => measured(figureAt(result, subject, side, what))),
    ]);
    return `**${what}**\n\n${table(["view", ...sides], rows)}`;
  });
  return [
    "![CPU by view and engine](benchmarks/peers.svg)",
    ...tables,
    parentheses(result.figures.filter(({ repeats }) => repeats !== undefined)),
    "A dash: the engine is not installed, cannot run the view, or gives other rows. How they are installed: [benchmarks/views](../benchmarks/views/README.md).",
  ];
}

export function peersPlot(result: Result): string {
  const sides = distinctOf(result.figures, "side");
  return barPlot({
    title: `Processor time of 1,000 resources, warm (median; ${whiskers(result.figures)})`,
    unit: "ms",
    series: sides,
    groups: distinctOf(result.figures, "subject").map((subject) => ({
      label: subject,
      bars: sides.map((side) => figureAt(result, subject, side, CPU)),
    })),
  });
}

/** The table of the README: what each engine takes, as a multiple of ours. */
export function peersReadmeTable(result: Result): string {
  const others = distinctOf(result.figures, "side").filter((side) => side !== OURS);
  const rows = distinctOf(result.figures, "subject").map((subject) => {
    const own = figureAt(result, subject, OURS, CPU);
    return [
      subject,
      measured(own),
      ...others.map((side) => {
        const other = figureAt(result, subject, side, CPU);
        return own === undefined || other === undefined ? "–" : `${number(other.value / own.value)}×`;
      }),
    ];
  });
  const { versions = {} } = result;
  const named = others.map((side) => versions[side] ?? side);
  return [
    `Views over the same NDJSON, each engine warm, rows equal; processor time of 1,000 resources, and that of ${named.join("; ")} as multiples of it (a dash: it cannot run the view):`,
    table(["View", OURS, ...others], rows),
  ].join("\n\n");
}
