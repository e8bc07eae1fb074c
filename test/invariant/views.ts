import type { Resource, Version } from "./model.js";

/** A view of the test with a second, independent implementation: plain functions over parsed resources. */
export interface TestView {
  readonly definition: Readonly<Record<string, unknown>> & {
    readonly name: string;
    readonly resource: Version["type"];
  };
  /** Cells as texts in column order, null for nothing. */
  readonly rows: (resource: Resource) => (string | null)[][];
}

const text = (value: unknown): string | null => (value === undefined ? null : String(value));

/** A filter that resources enter and leave. */
const activePatients: TestView = {
  definition: {
    resourceType: "ViewDefinition",
    name: "active_patients",
    resource: "Patient",
    status: "active",
    where: [{ path: "active = true" }],
    select: [
      {
        column: [
          { name: "id", path: "getResourceKey()", type: "string" },
          { name: "gender", path: "gender", type: "code" },
        ],
      },
    ],
  },
  rows: (patient) =>
    patient["active"] === true ? [[`main/Patient/${patient.id}`, text(patient["gender"])]] : [],
};

/** Rows that multiply and vanish: one per family name. */
const familyNames: TestView = {
  definition: {
    resourceType: "ViewDefinition",
    name: "family_names",
    resource: "Patient",
    status: "active",
    select: [
      { column: [{ name: "id", path: "id", type: "id" }] },
      { forEach: "name", column: [{ name: "family", path: "family", type: "string" }] },
    ],
  },
  rows: (patient) =>
    ((patient["name"] as { family?: string }[] | undefined) ?? []).map((name) => [
      patient.id,
      text(name.family),
    ]),
};

/** A row for every resource, with exact decimals; nothing to unnest gives a row all the same. */
const measurements: TestView = {
  definition: {
    resourceType: "ViewDefinition",
    name: "measurements",
    resource: "Observation",
    status: "active",
    select: [
      {
        column: [
          { name: "id", path: "id", type: "id" },
          { name: "value", path: "value.ofType(Quantity).value", type: "decimal" },
        ],
      },
      {
        forEachOrNull: "component",
        column: [{ name: "part", path: "value.ofType(string)", type: "string" }],
      },
    ],
  },
  rows: (observation) => {
    const value = observation.raw.match(/"value":(-?[0-9.]+)/)?.[1] ?? null;
    const parts = (observation["component"] as { valueString?: string }[] | undefined) ?? [];
    const rows = parts.map((part) => [observation.id, value, text(part.valueString)]);
    return rows.length === 0 ? [[observation.id, value, null]] : rows;
  },
};

/** The family names under the same view name by another definition: of active patients only. */
const activeFamilyNames: TestView = {
  definition: { ...familyNames.definition, where: [{ path: "active = true" }] },
  rows: (patient) => (patient["active"] === true ? familyNames.rows(patient) : []),
};

/** The views of the test; the two editions differ in the definition of one. */
export const EDITIONS: readonly (readonly TestView[])[] = [
  [activePatients, familyNames, measurements],
  [activePatients, activeFamilyNames, measurements],
];
