import { performance } from "node:perf_hooks";
import { type AnswerDifference, compareAnswers } from "./answer.js";
import type { Spent } from "./asker.js";
import type { FhirReads } from "./fhir-reads.js";
import type { LakeReads } from "./lake-reads.js";
import type { AnswerRow, Question, Scope } from "./question.js";

/** The two that are asked. */
export interface Sides {
  readonly fhir: FhirReads;
  readonly lake: LakeReads;
}

/** One answer and what it cost. */
export interface Asked extends Spent {
  readonly rows: readonly AnswerRow[];
  /** From the first request to the last row in hand. */
  readonly seconds: number;
}

/** Asks one side a question once, with counts of its own; asks may run at the same time. */
export async function ask(
  side: keyof Sides,
  question: Question,
  { sides, scope, turn }: { readonly sides: Sides; readonly scope: Scope; readonly turn: number },
): Promise<Asked> {
  const started = performance.now();
  const asker = sides[side].asker.fork();
  const rows =
    side === "fhir"
      ? await question.fhir(sides.fhir.with(asker), scope, turn)
      : await question.lake(sides.lake.with(asker), scope, turn);
  return { rows, seconds: (performance.now() - started) / 1000, ...asker.spent };
}

/** A question asked of both sides in turn. */
export interface Comparison {
  readonly difference: AnswerDifference;
  /** Per repeat, in order. */
  readonly fhir: readonly Asked[];
  readonly lake: readonly Asked[];
}

/** The greater difference of two turns, so that one of any turn is seen. */
function worse(a: AnswerDifference, b: AnswerDifference): AnswerDifference {
  const total = ({ onlyFhir, onlyLake }: AnswerDifference): number => onlyFhir + onlyLake;
  return total(b) >= total(a) ? b : a;
}

/**
 * Asks both sides the same question, one after the other, who is first changing from turn to turn. The first turn finds out which ways the
 * FHIR server takes and is left out of the costs; the answers of all turns are compared.
 */
export async function compareSides(
  question: Question,
  options: { readonly sides: Sides; readonly scope: Scope; readonly repeats: number },
): Promise<Comparison> {
  const costs = { fhir: [] as Asked[], lake: [] as Asked[] };
  let difference: AnswerDifference = { fhirRows: 0, lakeRows: 0, onlyFhir: 0, onlyLake: 0 };
  for (let turn = 0; turn <= options.repeats; turn++) {
    const order = turn % 2 === 0 ? (["fhir", "lake"] as const) : (["lake", "fhir"] as const);
    const answers = {} as Record<keyof Sides, Asked>;
    for (const side of order) answers[side] = await ask(side, question, { ...options, turn });
    difference = worse(difference, compareAnswers(answers.fhir.rows, answers.lake.rows));
    if (turn === 0) continue;
    for (const side of order) costs[side].push(answers[side]);
  }
  return { difference, ...costs };
}
