import { questions } from "../../src/app/bench/questions/index.js";
import { GIVEN } from "../direct/lag.js";
import { parentheses, whiskers } from "./basis.js";
import { asked, cell, faster, ratiosOf, STORED, storedSearches } from "./direct-cells.js";
import { duration, number, size, table } from "./format.js";
import { figureAt, type Result } from "./results.js";
import { barPlot } from "./svg.js";

function mainTable(result: Result): string {
  const pair = (name: string, what: string, show: (value: number) => string): string =>
    `${cell(figureAt(result, name, "FHIR", what), show)} : ${cell(figureAt(result, name, "lake", what), show)}`;
  const rows = asked(result).map(({ name, title }) => [
    `${title} (\`${name}\`)`,
    cell(figureAt(result, name, "FHIR", "wall"), duration),
    cell(figureAt(result, name, "lake", "wall"), duration),
    faster(figureAt(result, name, "FHIR / lake", "wall")),
    cell(figureAt(result, name, "both", "rows"), number),
    pair(name, "requests", number),
    pair(name, "bytes", size),
    pair(name, "server CPU", duration),
  ]);
  return table(
    ["Question", "FHIR", "lake", "FHIR / lake", "rows", "requests", "received", "CPU of the server"],
    rows,
  );
}

function coldTable(result: Result): string {
  const rows = asked(result).map(({ name }) => [
    `\`${name}\``,
    cell(figureAt(result, name, "FHIR", "cold"), duration),
    cell(figureAt(result, name, "lake", "cold"), duration),
    storedSearches(result, name),
  ]);
  return table(["Question", "FHIR, first ask", "lake, first ask", "FHIR, from stored searches"], rows);
}

/** Of so many asks or fewer the hundredth part is less than one ask, or one: what is called p99 is the slowest of all. */
const WITHOUT_P99 = 100;

function clientsTable(result: Result): string {
  const counts = [1, 10, 50];
  const at = (clients: number): string => `at ${clients} client${clients === 1 ? "" : "s"}`;
  const rows = asked(result).flatMap(({ name }) =>
    ["FHIR", "lake"].map((side) => [
      `\`${name}\`, ${side}`,
      ...counts.map((clients) => {
        const of = (what: string): string =>
          cell(figureAt(result, name, side, `${what} ${at(clients)}`), duration);
        const asks = figureAt(result, name, side, `asks ${at(clients)}`);
        if (asks === undefined) return "–";
        const greatest = asks.value <= WITHOUT_P99 ? "max " : "";
        return `${of("p50")} / ${greatest}${of("p99")} (${number(asks.value)})`;
      }),
    ]),
  );
  return table(
    ["p50 / p99 (asks)", ...counts.map((clients) => `${clients} client${clients === 1 ? "" : "s"}`)],
    rows,
  );
}

function breakEvenTable(result: Result): string {
  const rows = [...asked(result).map(({ name }) => name), "all eight questions"].flatMap((subject) => {
    const wall = figureAt(result, subject, "lake", "break-even by wall");
    const cpu = figureAt(result, subject, "lake", "break-even by CPU");
    if (wall === undefined && cpu === undefined) return [];
    return [[subject, cell(wall, number), cell(cpu, number)]];
  });
  return table(["Asks until the lake has paid for its ingest", "by time", "by processor time"], rows);
}

const FHIR_MEMORY = "memory of the FHIR server";

function otherFigures({ figures, versions }: Result): string {
  // A Java program takes what it is given, so its memory tells what it was given rather than what it needs.
  const java = versions?.["java"];
  const given = java === undefined ? "" : ` (with its database; Java as given: ${java})`;
  const rows = figures
    .filter(({ at }) => at === undefined)
    .map((figure) => [
      figure.name === FHIR_MEMORY ? `${figure.name}${given}` : figure.name,
      `${number(figure.value)} ${figure.unit}`.trim(),
    ]);
  return table(["measured once", ""], rows);
}

/** The tables of the direct comparison, with the plot of this name. */
export function directTables(name: string, result: Result): string[] {
  return [
    `![Time per question](benchmarks/${name}.svg)`,
    mainTable(result),
    `${parentheses(ratiosOf(result))} Times, requests and sizes are medians, CPU is the mean of the asks. One client, warm, both servers on this machine, whoever is first changing from turn to turn. Rows of both sides are compared as bags in every turn; a difference ends the run. No conditional request is sent, so that no answer is a 304; the FHIR server is told not to answer from its store of earlier searches, except for the column that says so.`,
    coldTable(result),
    "First asks: both servers (the database, too) just started, each question once, in this order; the system's file cache is warm. From stored searches: the FHIR server may answer from the searches that it keeps (HAPI: for 60 s), the same question asked again and again, not in turns with the lake; behind it, as a multiple of the lake's time, bold where FHIR is faster.",
    clientsTable(result),
    "One measurement each, one side after the other. With 100 asks or fewer, max (the slowest ask) stands in place of p99. A dash: one round of so many clients would have taken too long; the notes below say how long.",
    breakEvenTable(result),
    otherFigures(result),
    lagRemark(result),
  ];
}

/** Above so many resources the run for the lag did more than carry one change. */
const CARRIED = 1000;

function lagRemark({ figures }: Result): string {
  const given = figures.find(({ name }) => name === GIVEN)?.value ?? 0;
  return given <= CARRIED
    ? ""
    : `The lag is that of a server that was loaded within the hour before: the run was given ${number(given)} resources, since a run reads again what changed within ten minutes before the newest change that the lake knows of. With older data see the main results.`;
}

/** How each question is asked. */
export function directPlans(): string[] {
  return [
    "### How each question is asked",
    table(
      ["Question", "of the FHIR server", "of the lake"],
      questions.map(({ name, fhirPlan, lakePlan }) => [
        `\`${name}\``,
        fhirPlan.replaceAll("|", "\\|"),
        lakePlan,
      ]),
    ),
  ];
}

/** The plot of the direct comparison. */
export function directPlot(result: Result): string {
  const series = ["FHIR", STORED, "lake"];
  const walls = result.figures.filter(({ at }) => at?.what === "wall" && series.includes(at.side));
  return barPlot({
    title: `Time per question, one client, warm (median; ${whiskers(walls)})`,
    unit: "ms",
    series,
    groups: asked(result).map(({ name }) => ({
      label: name,
      bars: series.map((side) => figureAt(result, name, side, "wall")),
    })),
  });
}
