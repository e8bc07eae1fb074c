import { questions } from "../../src/app/bench/questions/index.js";
import type { Figure } from "../scenario.js";
import { duration, interval, number } from "./format.js";
import { figureAt, type Result } from "./results.js";

/** The side that answers from the searches that the FHIR server has stored. */
export const STORED = "FHIR, stored searches";

/** A figure as `show` has it; a dash where there is none. */
export function cell(figure: Figure | undefined, show: (value: number) => string): string {
  return figure === undefined ? "–" : show(figure.value);
}

/** The questions that were measured, in their order. */
export function asked(result: Result): typeof questions {
  return questions.filter(({ name }) => figureAt(result, name, "lake", "wall") !== undefined);
}

/** The ratios of both sides, a figure per question. */
export function ratiosOf({ figures }: Result): Figure[] {
  return figures.filter(({ at }) => at?.side === "FHIR / lake");
}

/** A ratio in words that say who is faster. */
export function faster(figure: Figure | undefined): string {
  if (figure === undefined) return "–";
  const range = interval(figure);
  const text = `${number(figure.value)}×${range === "" ? "" : ` (${range})`}`;
  return figure.value < 1 ? `**${text}**, FHIR is faster` : text;
}

/** Time from the FHIR server's stored searches, and how it stands to the lake's. */
export function storedSearches(result: Result, question: string): string {
  const [stored, lake] = [
    figureAt(result, question, STORED, "wall"),
    figureAt(result, question, "lake", "wall"),
  ];
  if (stored === undefined || lake === undefined) return cell(stored, duration);
  const quotient = stored.value / lake.value;
  const text = `${duration(stored.value)}, ${number(quotient)}×`;
  return quotient < 1 ? `**${text}**` : text;
}
