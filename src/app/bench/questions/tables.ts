import { mapConcurrently } from "#kernel";
import { patientOf, type Resource } from "../fhir-reads.js";
import type { Question } from "../question.js";
import { diabeticsByFhir, diabeticsByLake, firstCode, textOf } from "./codes.js";

interface Address {
  readonly use?: string;
  readonly postalCode?: string;
  readonly city?: string;
  readonly state?: string;
}

/** The address that the view takes: the first one at home, else the first that is not an old one. */
function address(patient: Resource): Address | undefined {
  const all = (patient["address"] ?? []) as readonly Address[];
  return all.find(({ use }) => use === "home") ?? all.find(({ use }) => use !== "old");
}

/** Everybody's demographics. */
export const demographicsTable: Question = {
  name: "demographics-table",
  title: "Demographics of every patient: gender, birth date, marital status, place",
  fhirPlan: "all Patients with `_elements`, largest pages, several pages at once",
  lakePlan: "the view `patient_demographics`, seven columns",
  fhir: async (fhir) => {
    const patients = await fhir.search("Patient", { _elements: "gender,birthDate,maritalStatus,address" });
    return patients.map((patient) => {
      const place = address(patient);
      return [
        patient.id,
        textOf(patient["gender"]),
        textOf(patient["birthDate"]),
        firstCode(patient["maritalStatus"]),
        place?.postalCode ?? null,
        place?.city ?? null,
        place?.state ?? null,
      ];
    });
  },
  lake: async (lake) => {
    const columns = ["id", "gender", "birth_date", "marital_status_code", "postal_code", "city", "state"];
    const rows = await lake.view("patient_demographics", [
      ["select", columns.join(",")],
      ["patient_key", `like.${lake.key("*")}`],
    ]);
    return rows.map((row) => columns.map((name) => textOf(row[name])));
  },
};

/** The five types of the extraction: where the code and the date are in FHIR, and the columns of the view. */
const EXTRACTED = [
  {
    type: "Condition",
    elements: "subject,code,recordedDate",
    row: (r: Resource) => [firstCode(r["code"]), textOf(r["recordedDate"])],
    view: "condition",
    columns: ["code", "recorded"],
  },
  {
    type: "Encounter",
    elements: "subject,type,period",
    row: (r: Resource) => [
      firstCode(r["type"]),
      textOf((r["period"] as { start?: string } | undefined)?.start),
    ],
    view: "encounter",
    columns: ["type_code", "start_text"],
  },
  {
    type: "Observation",
    elements: "subject,code,effectiveDateTime",
    row: (r: Resource) => [firstCode(r["code"]), textOf(r["effectiveDateTime"])],
    view: "observation",
    columns: ["code", "effective"],
  },
  {
    type: "MedicationRequest",
    elements: "subject,medicationCodeableConcept,authoredOn",
    row: (r: Resource) => [firstCode(r["medicationCodeableConcept"]), textOf(r["authoredOn"])],
    view: "medication_request",
    columns: ["medication_code", "authored"],
  },
  {
    type: "Procedure",
    elements: "subject,code,performedPeriod,performedDateTime",
    row: (r: Resource) => [
      firstCode(r["code"]),
      textOf((r["performedPeriod"] as { start?: string } | undefined)?.start ?? r["performedDateTime"]),
    ],
    view: "procedure",
    columns: ["code", "performed"],
  },
] as const;

/** Code and date of everything that a cohort has in five resource types. */
export const cohortExtraction: Question = {
  name: "cohort-extraction",
  title: "Extraction of five resource types for the patients with confirmed type 2 diabetes",
  fhirPlan:
    "the cohort by a search of Conditions, then each type for many patients per search, with `_elements`, several at once",
  lakePlan: "the cohort from the view `condition`, then five views for many patients per read",
  fhir: async (fhir) => {
    const patients = await diabeticsByFhir(fhir);
    const parts = await mapConcurrently(EXTRACTED, 1, async ({ type, elements, row }) => {
      const found = await fhir.ofPatients(type, patients, { _elements: elements });
      return found.map((resource) => [type, resource.id, patientOf(resource) ?? null, ...row(resource)]);
    });
    return parts.flat();
  },
  lake: async (lake) => {
    const patients = await diabeticsByLake(lake);
    const parts = await mapConcurrently(EXTRACTED, 1, async ({ type, view, columns }) => {
      const rows = await lake.ofPatients(view, patients, [
        ["select", ["id", "patient_key", ...columns].join(",")],
      ]);
      return rows.map((row) => [
        type,
        textOf(row["id"]),
        lake.idOf(row["patient_key"]) ?? null,
        ...columns.map((name) => textOf(row[name])),
      ]);
    });
    return parts.flat();
  },
};
