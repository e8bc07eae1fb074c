import { type FhirReads, patientOf, type Resource } from "../fhir-reads.js";
import type { LakeReads } from "../lake-reads.js";

const SNOMED = "http://snomed.info/sct";
const ICD10 = "http://hl7.org/fhir/sid/icd-10-cm";
const LOINC = "http://loinc.org";

/** Type 2 diabetes: SNOMED CT and ICD-10-CM. */
export const DIABETES = { snomed: "44054006", icd10: "E11.9" } as const;
/** Value of the search parameter `code` for {@link DIABETES}. */
export const DIABETES_TOKEN = `${SNOMED}|${DIABETES.snomed},${ICD10}|${DIABETES.icd10}`;
/** Haemoglobin A1c in percent. */
export const HBA1C = "4548-4";
export const HBA1C_TOKEN = `${LOINC}|${HBA1C}`;
export const BLOOD_PRESSURE_TOKEN = `${LOINC}|85354-9`;
export const SYSTOLIC = "8480-6";
export const DIASTOLIC = "8462-4";
/** Statuses of a result that counts. */
export const VALID_STATUSES = ["final", "amended", "corrected"] as const;

/** Value sets of the cohorts. */
export const VALUE_SETS = {
  diabetes: {
    codes: [
      { system: "snomed", codes: [DIABETES.snomed] },
      { system: "icd10cm", codes: [DIABETES.icd10] },
    ],
  },
  hba1c: { codes: [{ system: "loinc", codes: [HBA1C] }] },
} as const;

/** Conditions of type 2 diabetes in the view `condition`. */
export const DIABETES_FILTER: readonly (readonly [string, string])[] = [
  ["or", `(snomed_code.eq.${DIABETES.snomed},icd10_code.eq.${DIABETES.icd10})`],
];
const CONFIRMED: readonly (readonly [string, string])[] = [
  ["verification_status", "eq.confirmed"],
  ...DIABETES_FILTER,
];

/** Distinct ids, undefined left out. */
export function distinct(ids: readonly (string | undefined)[]): string[] {
  return [...new Set(ids)].filter((id): id is string => id !== undefined);
}

/** Ids of the patients of resources. */
export function patientsOf(resources: readonly Resource[]): string[] {
  return distinct(resources.map(patientOf));
}

/**
 * Ids of the patients with confirmed type 2 diabetes, by search. The client looks at the status, too: some servers leave out parameters
 * that they do not know.
 */
export async function diabeticsByFhir(fhir: FhirReads): Promise<string[]> {
  const found = await fhir.search("Condition", {
    code: DIABETES_TOKEN,
    "verification-status": "confirmed",
    _elements: "subject,verificationStatus",
  });
  return patientsOf(found.filter(({ verificationStatus }) => firstCode(verificationStatus) === "confirmed"));
}

/** Whether a result's status is one that counts. */
export function isValid({ status }: Resource): boolean {
  return VALID_STATUSES.some((valid) => valid === status);
}

/** Ids of the patients with confirmed type 2 diabetes, from the view. */
export async function diabeticsByLake(lake: LakeReads): Promise<string[]> {
  const rows = await lake.view("condition", [["select", "patient_key"], ...CONFIRMED]);
  return distinct(rows.map((row) => lake.idOf(row["patient_key"])));
}

interface Coding {
  readonly system?: string;
  readonly code?: string;
}
interface Quantity {
  readonly value?: number;
  readonly comparator?: string;
  readonly code?: string;
}

/** The code of the first coding of a CodeableConcept, of the first of a list; null when there is none. */
export function firstCode(concept: unknown): string | null {
  const one = (Array.isArray(concept) ? concept[0] : concept) as { coding?: readonly Coding[] } | undefined;
  return one?.coding?.[0]?.code ?? null;
}

/** Whether a resource's `code` has a LOINC code. */
export function hasLoinc(resource: Resource, wanted: string): boolean {
  const { coding = [] } = (resource["code"] ?? {}) as { readonly coding?: readonly Coding[] };
  return coding.some(({ system, code }) => system === LOINC && code === wanted);
}

/** The quantity that a result has, or a component with a LOINC code. */
export function quantityOf(resource: Resource, component?: string): Quantity | undefined {
  if (component === undefined) return resource["valueQuantity"] as Quantity | undefined;
  const parts = (resource["component"] ?? []) as readonly {
    readonly code?: { readonly coding?: readonly Coding[] };
    readonly valueQuantity?: Quantity;
  }[];
  return parts.find(({ code }) =>
    code?.coding?.some((coding) => coding.system === LOINC && coding.code === component),
  )?.valueQuantity;
}

/** A text element, or null. */
export function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
