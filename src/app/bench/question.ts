import type { FhirReads } from "./fhir-reads.js";
import type { LakeReads } from "./lake-reads.js";

/** What the questions are about: one choice for a whole comparison. */
export interface Scope {
  /** Ids of patients that single-patient questions ask in turn; at least one. */
  readonly patients: readonly string[];
  /** First and last calendar day of the window of time, both included, `YYYY-MM-DD`. */
  readonly from: string;
  readonly to: string;
}

/** The parts of one row of an answer; texts as the source wrote them, numbers by value. */
export type AnswerRow = readonly (string | number | boolean | null)[];

/** A question that both a FHIR server and a lake can answer, with the same rows. */
export interface Question {
  readonly name: string;
  /** What is asked, for people. */
  readonly title: string;
  /** How an expert asks a FHIR server, in a sentence. */
  readonly fhirPlan: string;
  /** How the lake is asked. */
  readonly lakePlan: string;
  /** The answer of the FHIR server; `turn` counts the asks and chooses the patient where one is asked for. */
  fhir(reads: FhirReads, scope: Scope, turn: number): Promise<readonly AnswerRow[]>;
  /** The answer of the lake; the same rows in any order. */
  lake(reads: LakeReads, scope: Scope, turn: number): Promise<readonly AnswerRow[]>;
}

/** The patient that a single-patient question asks for in a turn. */
export function patientOfTurn({ patients }: Scope, turn: number): string {
  return patients[turn % patients.length]!;
}
