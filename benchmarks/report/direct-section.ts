import { questions } from "../../src/app/bench/questions/index.js";
import { GIVEN } from "../direct/lag.js";
import type { Figure } from "../scenario.js";
import { duration, interval, number, size, table } from "./format.js";
import { figureAt, type Result } from "./results.js";
import { barPlot } from "./svg.js";

function cell(figure: Figure | undefined, show: (value: number) => string): string {
  return figure === undefined ? "–" : show(figure.value);
}

function asked(result: Result): typeof questions {
  return questions.filter(({ name }) => figureAt(result, name, "lake", "wall") !== undefined);
}

/** A ratio in words that say who is faster. */
function faster(figure: Figure | undefined): string {
  if (figure === undefined) return "–";
  const range = interval(figure);
  const text = `${number(figure.value)}×${range === "" ? "" : ` (${range})`}`;
  return figure.value < 1 ? `**${text}**, FHIR is faster` : text;
}

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
    cell(figureAt(result, name, "FHIR, stored searches", "wall"), duration),
  ]);
  return table(["Question", "FHIR, first ask", "lake, first ask", "FHIR, from stored searches"], rows);
}

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
        return asks === undefined ? "–" : `${of("p50")} / ${of("p99")} (${number(asks.value)})`;
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

function otherFigures({ figures }: Result): string {
  const rows = figures
    .filter(({ at }) => at === undefined)
    .map((figure) => [figure.name, `${number(figure.value)} ${figure.unit}`.trim()]);
  return table(["", ""], rows);
}

/** The tables of the direct comparison, with the plot of this name. */
export function directTables(name: string, result: Result): string[] {
  return [
    `![Time per question](benchmarks/${name}.svg)`,
    mainTable(result),
    "Median with its interval; one client, warm, both servers on this machine, whoever is first changing from turn to turn. Rows of both sides are compared as bags in every turn; a difference ends the run. No conditional request is sent, so that no answer is a 304; the FHIR server is told not to answer from its store of earlier searches, except for the column that says so.",
    coldTable(result),
    "First asks: both servers (the database, too) just started, each question once, in this order; the system's file cache is warm.",
    clientsTable(result),
    "A dash: one round of so many clients would have taken too long; the notes below say how long.",
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
  const series = ["FHIR", "FHIR, stored searches", "lake"];
  return barPlot({
    title: "Time per question, one client, warm (median, its interval)",
    unit: "ms",
    series,
    groups: asked(result).map(({ name }) => ({
      label: name,
      bars: series.map((side) => figureAt(result, name, side, "wall")),
    })),
  });
}

/** The table of the README. */
export function readmeTable(result: Result): string {
  const rows = asked(result).map(({ name, title }) => [
    title,
    cell(figureAt(result, name, "FHIR", "wall"), duration),
    cell(figureAt(result, name, "lake", "wall"), duration),
    faster(figureAt(result, name, "FHIR / lake", "wall")),
    cell(figureAt(result, name, "lake", "break-even by wall"), number),
  ]);
  const named = (start: string): Figure | undefined =>
    result.figures.find(({ name }) => name.startsWith(start));
  const resources = result.figures.find(({ name }) => name === "resources");
  const lag = named("answer lag, lake");
  const down = named("FHIR server down: questions answered, lake");
  const { fhirServer = "a FHIR server", database = "", patients = "?" } = result.versions ?? {};
  const about = `${fhirServer}${database === "" ? "" : ` on ${database}`}, ${Number(patients).toLocaleString("en-US")} patients, ${cell(resources, number)} resources, ${String(result.machine.cores)} cores`;
  const facts = [
    lag === undefined
      ? ""
      : `An answer of the lake is ${number(lag.value)} s old when a run begins at once, less with Subscriptions.`,
    down === undefined ? "" : `With the FHIR server down it answers ${number(down.value)} ${down.unit}.`,
  ].filter((sentence) => sentence !== "");
  return [
    `Medians with their intervals; ${about}; answers equal:`,
    table(["Question", "FHIR", "lake", "FHIR / lake", "pays after asks"], rows),
    `${facts.join(" ")} Everything else, and how to repeat it: [docs/benchmarks.md](docs/benchmarks.md).`,
  ].join("\n\n");
}
