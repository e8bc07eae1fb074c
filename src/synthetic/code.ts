import { jsonString } from "./json-text.js";

/** The code systems that the generated records use. */
export const SYSTEM = {
  snomed: "http://snomed.info/sct",
  loinc: "http://loinc.org",
  rxnorm: "http://www.nlm.nih.gov/research/umls/rxnorm",
  cvx: "http://hl7.org/fhir/sid/cvx",
  icd10: "http://hl7.org/fhir/sid/icd-10-cm",
  cpt: "http://www.ama-assn.org/go/cpt",
  ucum: "http://unitsofmeasure.org",
  local: "http://hospital.example.org/codes",
} as const;

/** One row of a code table, with its JSON made once. */
export interface Code {
  readonly system: string;
  readonly code: string;
  readonly display: string;
  /** The Coding as JSON. */
  readonly coding: string;
  /** A CodeableConcept with this one coding and the display as its text. */
  readonly concept: string;
}

/** A code of any system. */
export function code(system: string, value: string, display: string): Code {
  const coding = `{"system":"${system}","code":${jsonString(value)},"display":${jsonString(display)}}`;
  return {
    system,
    code: value,
    display,
    coding,
    concept: `{"coding":[${coding}],"text":${jsonString(display)}}`,
  };
}

/** A SNOMED CT concept. */
export function snomed(value: string, display: string): Code {
  return code(SYSTEM.snomed, value, display);
}

/** A LOINC term. */
export function loinc(value: string, display: string): Code {
  return code(SYSTEM.loinc, value, display);
}

/** An RxNorm drug. */
export function rxnorm(value: string, display: string): Code {
  return code(SYSTEM.rxnorm, value, display);
}

/** A CodeableConcept of a code without display or text, as status elements carry it. */
export function bareConcept(system: string, value: string): string {
  return `{"coding":[{"system":"${system}","code":"${value}"}]}`;
}
