/**
 * What a chart holds: one fact per resource, in the terms of the story and not yet of FHIR JSON.
 * Times are seconds since 1970 (UTC) unless the name ends in `Ms`. Later batches change facts in place and raise `version`.
 */
import type { Code } from "./code.js";
import type { Analyte, Panel } from "./table/analyte.js";
import type { CareProgram } from "./table/care-program.js";
import type { ClinicalCode } from "./table/clinical-code.js";
import type { Drug } from "./table/drug.js";
import type { ImagingKind } from "./table/imaging.js";
import type { VisitKind } from "./table/visit.js";

/** What every resource has: id, `meta.versionId` and `meta.lastUpdated`. */
export interface Fact {
  readonly id: string;
  version: number;
  updatedAtMs: number;
}

/** An Encounter at one site with one practitioner (indexes into the facilities of the seed). */
export interface EncounterFact extends Fact {
  readonly kind: VisitKind;
  readonly type: Code;
  readonly start: number;
  readonly end: number;
  readonly reason: Code | undefined;
  readonly site: number;
  readonly practitioner: number;
  readonly disposition: Code | undefined;
  status: "finished" | "cancelled" | "entered-in-error";
}

/** When a condition began: a moment, or a date that is known to the day, month or year only, or an age. */
export type Onset =
  | { readonly kind: "moment"; readonly at: number }
  | { readonly kind: "day" | "month" | "year"; readonly at: number }
  | { readonly kind: "age"; readonly at: number; readonly years: number };

/** A Condition. `codings` says which of its codes are written. */
export interface ConditionFact extends Fact {
  readonly code: ClinicalCode;
  readonly codings: "snomed" | "icd10" | "both";
  readonly onset: Onset | undefined;
  readonly recordedAt: number;
  readonly encounter: EncounterFact | undefined;
  readonly category: "encounter-diagnosis" | "problem-list-item";
  abatedAt: number | undefined;
  clinical: "active" | "recurrence" | "relapse" | "inactive" | "remission" | "resolved" | undefined;
  verification: "confirmed" | "provisional" | "unconfirmed" | "refuted" | "entered-in-error";
}

/** A number as the laboratory wrote it. `text` is the decimal literal, `amount` its value. */
export interface Measured {
  readonly kind: "quantity";
  readonly text: string;
  readonly amount: number;
  readonly comparator?: "<" | ">";
}

/** One value of an Observation or of a component. */
export type ObservedValue =
  | Measured
  | { readonly kind: "concept"; readonly code: Code }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "integer"; readonly value: number }
  | { readonly kind: "moment"; readonly at: number }
  | { readonly kind: "absent"; readonly reason: "unknown" | "not-performed" | "error" | "masked" };

/** The value of an Observation: one value, or components. */
export type ObservationValue =
  | ObservedValue
  | {
      readonly kind: "components";
      readonly parts: readonly { readonly analyte: Analyte; readonly value: ObservedValue }[];
    };

/** An Observation. `extraCoding` adds the laboratory's own code; `withRange` its reference range and interpretation. */
export interface ObservationFact extends Fact {
  readonly analyte: Analyte;
  readonly at: number;
  readonly encounter: EncounterFact | undefined;
  readonly extraCoding: boolean;
  readonly withRange: boolean;
  readonly performer: number | undefined;
  issuedMs: number;
  value: ObservationValue;
  note: string | undefined;
  status: "final" | "amended" | "corrected" | "preliminary" | "cancelled" | "entered-in-error";
}

/** A DiagnosticReport over a panel of observations. */
export interface ReportFact extends Fact {
  readonly panel: Panel;
  readonly at: number;
  readonly encounter: EncounterFact;
  readonly results: readonly ObservationFact[];
  issuedMs: number;
  status: "final" | "amended";
}

/** How often a drug is to be taken: `frequency` times per `period` `periodUnit`, `dose` units each time. */
export interface Dosage {
  readonly text: string | undefined;
  readonly frequency: number;
  readonly period: string;
  readonly periodUnit: "h" | "d" | "wk";
  readonly dose: string;
  readonly doseUnit: string;
  readonly doseCode: string;
  readonly asNeeded: boolean;
}

/** A MedicationRequest. */
export interface MedicationFact extends Fact {
  readonly drug: Drug;
  readonly authoredAt: number;
  readonly encounter: EncounterFact;
  readonly reason: ConditionFact | undefined;
  readonly dosage: Dosage | undefined;
  /** True when the drug stands in a contained Medication instead of a CodeableConcept. */
  readonly contained: boolean;
  status: "active" | "stopped" | "completed" | "cancelled" | "entered-in-error";
}

/** A Procedure. */
export interface ProcedureFact extends Fact {
  readonly code: Code;
  readonly start: number;
  readonly end: number;
  readonly encounter: EncounterFact;
  readonly reason: ConditionFact | undefined;
  readonly cents: number;
  status: "completed" | "stopped" | "not-done";
}

/** An Immunization. */
export interface ImmunizationFact extends Fact {
  readonly vaccine: Code;
  readonly at: number;
  readonly encounter: EncounterFact;
  readonly lot: string | undefined;
  status: "completed" | "not-done" | "entered-in-error";
}

/** An AllergyIntolerance. */
export interface AllergyFact extends Fact {
  readonly code: Code;
  readonly category: "food" | "medication" | "environment";
  readonly criticality: "low" | "high" | "unable-to-assess";
  readonly recordedAt: number;
  readonly reaction: Code | undefined;
  clinical: "active" | "resolved";
  verification: "confirmed" | "unconfirmed";
}

/** A CarePlan with the CareTeam that carries it out: two resources. */
export interface CarePlanFact extends Fact {
  readonly program: CareProgram;
  readonly team: Fact;
  readonly encounter: EncounterFact;
  readonly condition: ConditionFact | undefined;
  readonly start: number;
  end: number | undefined;
}

/** A DocumentReference with a note in plain text. */
export interface DocumentFact extends Fact {
  readonly encounter: EncounterFact;
  readonly type: Code;
  readonly atMs: number;
  readonly note: string;
  status: "current" | "superseded";
}

/** A Coverage: `payer` is an index into the payers. */
export interface CoverageFact extends Fact {
  readonly payer: number;
  readonly subscriber: string;
  readonly start: number;
  readonly end: number | undefined;
}

/** One line of a Claim: what was done, what it cost, and the resource that says so. */
export interface ClaimLine {
  readonly product: Code;
  readonly cpt: string | undefined;
  readonly cents: number | undefined;
  readonly source: { readonly type: "Procedure" | "Immunization"; readonly id: string } | undefined;
  readonly diagnosis: ConditionFact | undefined;
}

/** A Claim, and for visits the ExplanationOfBenefit that answers it: two resources. */
export interface ClaimFact extends Fact {
  readonly type: "institutional" | "professional" | "pharmacy";
  readonly encounter: EncounterFact;
  readonly medication: MedicationFact | undefined;
  readonly coverage: CoverageFact;
  readonly createdAtMs: number;
  readonly diagnoses: readonly ConditionFact[];
  readonly lines: readonly ClaimLine[];
  readonly totalCents: number;
  readonly benefit: Fact | undefined;
  status: "active" | "cancelled";
}

/** An ImagingStudy with one series of one image. */
export interface ImagingFact extends Fact {
  readonly kind: ImagingKind;
  readonly encounter: EncounterFact;
  readonly startedAt: number;
  /** Makes the DICOM identifiers of this study. */
  readonly number: string;
}

/** A Device that was implanted. */
export interface DeviceFact extends Fact {
  readonly type: Code;
  readonly implantedAt: number;
  readonly serial: string;
}

/** A FamilyMemberHistory with one condition of a relative. */
export interface FamilyHistoryFact extends Fact {
  readonly relative: Code;
  readonly condition: Code;
  readonly recordedAt: number;
}
