import type { AnswerRow } from "./question.js";

/** How two answers differ, as bags of rows. */
export interface AnswerDifference {
  readonly fhirRows: number;
  readonly lakeRows: number;
  /** Rows that only one side has. */
  readonly onlyFhir: number;
  readonly onlyLake: number;
}

function counted(rows: readonly AnswerRow[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const row of rows) {
    const text = JSON.stringify(row);
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return counts;
}

function without(of: ReadonlyMap<string, number>, other: ReadonlyMap<string, number>): number {
  let only = 0;
  for (const [text, count] of of) only += Math.max(0, count - (other.get(text) ?? 0));
  return only;
}

/** Compares two answers whatever their order. */
export function compareAnswers(fhir: readonly AnswerRow[], lake: readonly AnswerRow[]): AnswerDifference {
  const [left, right] = [counted(fhir), counted(lake)];
  return {
    fhirRows: fhir.length,
    lakeRows: lake.length,
    onlyFhir: without(left, right),
    onlyLake: without(right, left),
  };
}

/** Whether two answers hold the same rows. */
export function isSame({ onlyFhir, onlyLake }: AnswerDifference): boolean {
  return onlyFhir === 0 && onlyLake === 0;
}
