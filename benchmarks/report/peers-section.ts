import type { Figure } from "../scenario.js";
import { parentheses, whiskers } from "./basis.js";
import { warning } from "./circumstances.js";
import { measured, number, table } from "./format.js";
import { distinctOf, figureAt, type Result } from "./results.js";
import { barPlot } from "./svg.js";

const CPU = "CPU of 1,000 resources, warm";
const OURS = "fhir-lake";

const RESOURCES = "resources";
/** Where the README's readers find why an engine has no figure. */
const REASONS = "docs/benchmarks.md#peers";
/** What a process takes as a whole, and so with the number of resources that it was given. */
const WHOLE = /first evaluation|peak memory/;
const UNEQUAL =
  "Engines got different numbers of resources, see the head: these figures are of a whole process and not to be compared between such columns.";
/** An engine without a process that stays pays for its start in each evaluation, also in those that are called warm. */
const STARTS_ANEW = ["helios-sof"];

/** How many resources an engine was given, as `20,000` or, where views differ, `200 – 300`; empty where the results do not tell. */
function resourcesOf(result: Result, side: string): string {
  const counts = result.figures
    .filter(({ at }) => at?.side === side && at.what === RESOURCES)
    .map(({ value }) => value);
  if (counts.length === 0) return "";
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return least === most ? number(most) : `${number(least)} – ${number(most)}`;
}

/** The engine with the number of its resources, for the head of a column. */
function headed(result: Result, side: string): string {
  const resources = resourcesOf(result, side);
  return resources === "" ? side : `${side} (${resources} resources)`;
}

function isUnequal(result: Result, sides: readonly string[]): boolean {
  return new Set(sides.map((side) => resourcesOf(result, side))).size > 1;
}

/** Sentences about engines that start anew for each evaluation, where they were measured. */
function startsAnew(sides: readonly string[]): string {
  const found = STARTS_ANEW.filter((side) => sides.includes(side));
  return found.length === 0
    ? ""
    : `${found.join(", ")} starts a process for each evaluation, so that its warm figures hold that start.`;
}

/** A table per measured thing: a row per view, a column per engine. */
export function peersTables(result: Result): string[] {
  const subjects = distinctOf(result.figures, "subject");
  const sides = distinctOf(result.figures, "side");
  const heads = sides.map((side) => headed(result, side));
  const measuredThings = distinctOf(result.figures, "what").filter((what) => what !== RESOURCES);
  const tables = measuredThings.map((what) => {
    const rows = subjects.map((subject) => [
      subject,
      ...sides.map((side) => measured(figureAt(result, subject, side, what))),
    ]);
    const compared = sides.filter((side) =>
      subjects.some((subject) => figureAt(result, subject, side, what) !== undefined),
    );
    const remark = WHOLE.test(what) && isUnequal(result, compared) ? `${UNEQUAL}\n\n` : "";
    return `**${what}**\n\n${remark}${table(["view", ...heads], rows)}`;
  });
  return [
    "![CPU by view and engine](benchmarks/peers.svg)",
    ...tables,
    parentheses(result.figures.filter(({ repeats }) => repeats !== undefined)),
    startsAnew(sides),
    "A dash: the engine is not installed, cannot run the view, gives other rows, or was given fewer resources; one that starts slowly was not started for few. The notes below say why where it is known. How they are installed: [benchmarks/views](../benchmarks/views/README.md).",
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
  const sides = distinctOf(result.figures, "side");
  const others = sides.filter((side) => side !== OURS);
  let hasDash = false;
  const owns: Figure[] = [];
  const rows = distinctOf(result.figures, "subject").map((subject) => {
    const own = figureAt(result, subject, OURS, CPU);
    if (own !== undefined) owns.push(own);
    return [
      subject,
      measured(own),
      ...others.map((side) => {
        const other = figureAt(result, subject, side, CPU);
        if (own !== undefined && other !== undefined) return `${number(other.value / own.value)}×`;
        hasDash = true;
        return "–";
      }),
    ];
  });
  const { versions = {} } = result;
  const named = others.map((side) => versions[side] ?? side);
  return [
    `Views over the same NDJSON, rows equal; processor time of 1,000 resources, warm, and that of ${named.join("; ")} as multiples of it:`,
    table(["View", ...[OURS, ...others].map((side) => headed(result, side))], rows),
    [
      parentheses(owns),
      isUnequal(result, sides) ? "Slow engines got only its first resources." : "",
      startsAnew(sides),
      hasDash ? `A dash: the engine cannot run the view, or gives other rows ([why](${REASONS})).` : "",
      warning(result),
    ]
      .filter((sentence) => sentence !== "")
      .join(" "),
  ]
    .filter((block) => block !== "")
    .join("\n\n");
}
