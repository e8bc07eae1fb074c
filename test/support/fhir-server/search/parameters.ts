/** What a search parameter compares. */
export type ParameterKind = "token" | "reference" | "string" | "date";

interface ParameterDefinition {
  readonly kind: ParameterKind;
  /** Dotted JSON paths; lists are walked through. */
  readonly paths: readonly string[];
  /** The type that a reference without one means. */
  readonly target?: string;
}

const SUBJECT = ["subject", "patient", "beneficiary", "individual", "participant.actor"];

/** The clinical parameters of all types; one applies where a resource has one of its paths. */
export const CLINICAL_PARAMETERS: Readonly<Record<string, ParameterDefinition>> = {
  patient: { kind: "reference", paths: SUBJECT, target: "Patient" },
  subject: { kind: "reference", paths: SUBJECT },
  encounter: { kind: "reference", paths: ["encounter"] },
  code: {
    kind: "token",
    paths: ["code", "vaccineCode", "medicationCodeableConcept"],
  },
  category: { kind: "token", paths: ["category"] },
  type: { kind: "token", paths: ["type"] },
  class: { kind: "token", paths: ["class"] },
  status: { kind: "token", paths: ["status"] },
  "clinical-status": { kind: "token", paths: ["clinicalStatus"] },
  identifier: { kind: "token", paths: ["identifier"] },
  gender: { kind: "token", paths: ["gender"] },
  name: { kind: "string", paths: ["name.family", "name.given", "name.text", "name"] },
  family: { kind: "string", paths: ["name.family"] },
  given: { kind: "string", paths: ["name.given"] },
  birthdate: { kind: "date", paths: ["birthDate"] },
  date: {
    kind: "date",
    paths: [
      "effectiveDateTime",
      "effectivePeriod.start",
      "period.start",
      "performedDateTime",
      "occurrenceDateTime",
      "date",
      "authoredOn",
      "issued",
    ],
  },
};

/** All values at a dotted path of a resource, lists walked through. */
export function valuesAt(resource: unknown, path: string): unknown[] {
  let values: unknown[] = [resource];
  for (const name of path.split(".")) {
    values = values.flatMap((value) => {
      if (value === null || typeof value !== "object") return [];
      const inner = (value as Record<string, unknown>)[name];
      return inner === undefined ? [] : Array.isArray(inner) ? (inner as unknown[]) : [inner];
    });
  }
  return values;
}
