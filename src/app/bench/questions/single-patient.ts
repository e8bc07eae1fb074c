import { mapConcurrently } from "#kernel";
import { patientOf, type Resource } from "../fhir-reads.js";
import { type AnswerRow, patientOfTurn, type Question } from "../question.js";
import { textOf } from "./codes.js";

const DEMOGRAPHICS = ["id", "gender", "birthDate"] as const;

/** One patient by id: what FHIR servers are made for. */
export const readById: Question = {
  name: "read-by-id",
  title: "Gender and birth date of one patient by id",
  fhirPlan: "`GET Patient/<id>`",
  lakePlan: "one row of the view `patient_demographics` by its key",
  fhir: async (fhir, scope, turn) => {
    const patient = await fhir.read("Patient", patientOfTurn(scope, turn));
    return [DEMOGRAPHICS.map((name) => textOf(patient[name]))];
  },
  lake: async (lake, scope, turn) => {
    const key = `eq.${lake.key(patientOfTurn(scope, turn))}`;
    const rows = await lake.view("patient_demographics", [
      ["patient_key", key],
      ["select", "id,gender,birth_date"],
    ]);
    return rows.map((row) => [textOf(row["id"]), textOf(row["gender"]), textOf(row["birth_date"])]);
  },
};

/** What a timeline shows: the type, its date in FHIR, its view and the columns there. */
const EVENTS = [
  { type: "Encounter", at: ["period", "start"], view: "encounter", date: "start_text" },
  { type: "Condition", at: ["recordedDate"], view: "condition", date: "recorded" },
  { type: "Observation", at: ["effectiveDateTime"], view: "observation", date: "effective" },
  { type: "MedicationRequest", at: ["authoredOn"], view: "medication_request", date: "authored" },
  { type: "Procedure", at: ["performedPeriod", "start"], view: "procedure", date: "performed" },
] as const;

function event(resource: Resource): AnswerRow | undefined {
  const known = EVENTS.find(({ type }) => type === resource.resourceType);
  if (known === undefined) return undefined;
  let value: unknown = resource;
  for (const name of known.at) value = (value as Record<string, unknown> | undefined)?.[name];
  return [known.type, resource.id, textOf(value ?? resource["performedDateTime"])];
}

/** Everything that happened to one patient. */
export const patientTimeline: Question = {
  name: "patient-timeline",
  title:
    "Timeline of one patient: encounters, conditions, observations, medications, procedures with their dates",
  fhirPlan: "five searches by patient with `_elements`, all at once",
  lakePlan: "five view reads by patient, all at once",
  fhir: async (fhir, scope, turn) => {
    const id = patientOfTurn(scope, turn);
    const parts = await mapConcurrently(EVENTS, EVENTS.length, ({ type, at }) =>
      fhir.search(type, {
        patient: `Patient/${id}`,
        _elements: ["subject", at[0], ...(type === "Procedure" ? ["performedDateTime"] : [])].join(","),
      }),
    );
    return parts
      .flat()
      .filter((resource) => patientOf(resource) === id)
      .map(event)
      .filter((row): row is AnswerRow => row !== undefined);
  },
  lake: async (lake, scope, turn) => {
    const key = `eq.${lake.key(patientOfTurn(scope, turn))}`;
    const parts = await mapConcurrently(EVENTS, EVENTS.length, async ({ type, view, date }) => {
      const rows = await lake.view(view, [
        ["patient_key", key],
        ["select", `id,${date}`],
      ]);
      return rows.map((row) => [type, textOf(row["id"]), textOf(row[date])]);
    });
    return parts.flat();
  },
};
