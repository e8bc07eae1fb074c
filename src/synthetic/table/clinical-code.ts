import { type Code, code, SYSTEM, snomed } from "../code.js";

/** A diagnosis in SNOMED CT with the ICD-10-CM code that a biller would add. */
export interface ClinicalCode {
  readonly snomed: Code;
  readonly icd10: Code | undefined;
}

/** A diagnosis; the ICD-10-CM code carries the same display unless its own is given. */
export function diagnosis(
  snomedCode: string,
  display: string,
  icd10Code?: string,
  icd10Display = display,
): ClinicalCode {
  return {
    snomed: snomed(snomedCode, display),
    icd10: icd10Code === undefined ? undefined : code(SYSTEM.icd10, icd10Code, icd10Display),
  };
}
