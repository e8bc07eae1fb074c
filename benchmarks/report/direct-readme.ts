import type { Figure } from "../scenario.js";
import { parentheses } from "./basis.js";
import { warning } from "./circumstances.js";
import { asked, cell, faster, ratiosOf, storedSearches } from "./direct-cells.js";
import { duration, number, table } from "./format.js";
import { figureAt, type Result } from "./results.js";

/** The table of the README. */
export function readmeTable(result: Result): string {
  const rows = asked(result).map(({ name, title }) => [
    title,
    cell(figureAt(result, name, "FHIR", "wall"), duration),
    cell(figureAt(result, name, "lake", "wall"), duration),
    faster(figureAt(result, name, "FHIR / lake", "wall")),
    storedSearches(result, name),
    cell(figureAt(result, name, "lake", "break-even by wall"), number),
  ]);
  const named = (start: string): Figure | undefined =>
    result.figures.find(({ name }) => name.startsWith(start));
  const resources = result.figures.find(({ name }) => name === "resources");
  const lag = named("answer lag, lake");
  const down = named("FHIR server down: questions answered, lake");
  const { fhirServer = "a FHIR server", database = "", patients = "?" } = result.versions ?? {};
  const about = `${fhirServer}${database === "" ? "" : ` on ${database}`}, ${Number(patients).toLocaleString("en-US")} patients, ${cell(resources, number)} resources; client, FHIR server and lake share ${String(result.machine.cores)} cores`;
  const facts = [
    warning(result),
    "From stored searches: the FHIR server may answer from the searches that it keeps (HAPI: for 60 s), as a multiple of the lake's time; bold where FHIR is faster. The lake's hot copies of views that are asked for often are on, as by default.",
    lag === undefined
      ? ""
      : `An answer of the lake is ${number(lag.value)} s old when a run begins at once, plus the time until the next scheduled run; less with Subscriptions. An answer of the FHIR server is never old, except from stored searches.`,
    down === undefined
      ? ""
      : `With the FHIR server down the lake answers ${number(down.value)} ${down.unit}.`,
  ].filter((sentence) => sentence !== "");
  return [
    `Medians, one client, both warm; ${about}; answers equal. ${parentheses(ratiosOf(result))}`,
    table(
      ["Question", "FHIR", "lake", "FHIR / lake", "FHIR, from stored searches (/ lake)", "pays after asks"],
      rows,
    ),
    `${facts.join(" ")} Everything else, and how to repeat it: [docs/benchmarks.md](docs/benchmarks.md).`,
  ].join("\n\n");
}
