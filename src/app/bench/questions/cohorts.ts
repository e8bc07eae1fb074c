import { patientOf, type Resource } from "../fhir-reads.js";
import type { Question, Scope } from "../question.js";
import {
  DIABETES_FILTER,
  DIABETES_TOKEN,
  diabeticsByFhir,
  diabeticsByLake,
  distinct,
  HBA1C,
  HBA1C_TOKEN,
  isValid,
  patientsOf,
  quantityOf,
  textOf,
  VALID_STATUSES,
  VALUE_SETS,
} from "./codes.js";

const DAY_MS = 86_400_000;
const THRESHOLD = 7;

/** How many patients have a record of type 2 diabetes. */
export const cohortCount: Question = {
  name: "cohort-count",
  title: "How many patients have type 2 diabetes on record",
  fhirPlan:
    "`Patient?_has:Condition:patient:code=…&_summary=count`; where refused, all such Conditions, distinct subjects counted",
  lakePlan:
    "`/cohorts/<id>/count` of a stored cohort; where none may be stored, the view `condition`, distinct patients counted",
  fhir: async (fhir) => {
    const count = await fhir.firstOf(
      "cohort-count",
      () => fhir.count("Patient", { "_has:Condition:patient:code": DIABETES_TOKEN }),
      async () =>
        patientsOf(await fhir.search("Condition", { code: DIABETES_TOKEN, _elements: "subject" })).length,
    );
    return [[count]];
  },
  lake: async (lake) => {
    if (!lake.mayStoreCohorts) {
      const rows = await lake.view("condition", [["select", "patient_key"], ...DIABETES_FILTER]);
      return [[distinct(rows.map((row) => lake.idOf(row["patient_key"]))).length]];
    }
    await lake.store("bench-diabetes", {
      title: "Type 2 diabetes on record",
      valueSets: { diabetes: VALUE_SETS.diabetes },
      entry: { view: "condition", in: "diabetes", records: "all" },
    });
    return [[await lake.cohortSize("bench-diabetes")]];
  },
};

/** The day before or after one. */
function shifted(day: string, days: number): string {
  return new Date(Date.parse(day) + days * DAY_MS).toISOString().slice(0, 10);
}

/** Whether a result counts: exact, above the threshold, on a day of the window as the source wrote it. */
function isHigh(result: Resource, { from, to }: Scope): boolean {
  const day = textOf(result["effectiveDateTime"])?.slice(0, 10) ?? "";
  const quantity = quantityOf(result);
  return day >= from && day <= to && quantity?.comparator === undefined && (quantity?.value ?? 0) > THRESHOLD;
}

/** How many patients meet two criteria, one of them in a window of time. */
export const cohortTwoCriteria: Question = {
  name: "cohort-two-criteria",
  title: `How many patients have confirmed type 2 diabetes and an HbA1c over ${THRESHOLD} % within two years`,
  fhirPlan:
    "two searches at once, Conditions and Observations by code, value, date and status with `_elements`; subjects intersected by the client",
  lakePlan:
    "`/cohorts/<id>/count` of a stored cohort; where none may be stored, two view reads, patients intersected",
  fhir: async (fhir, scope) => {
    const [diabetics, results] = await Promise.all([
      diabeticsByFhir(fhir),
      fhir.search("Observation", {
        code: HBA1C_TOKEN,
        status: VALID_STATUSES.join(","),
        "value-quantity": `gt${THRESHOLD}`,
        _elements: "subject,effectiveDateTime,valueQuantity,status",
        // A day more at both ends: servers compare instants, and the question means days as they were written.
        date: [`ge${shifted(scope.from, -1)}`, `le${shifted(scope.to, 1)}`],
      }),
    ]);
    const high = new Set(results.filter((result) => isValid(result) && isHigh(result, scope)).map(patientOf));
    return [[diabetics.filter((id) => high.has(id)).length]];
  },
  lake: async (lake, scope) => {
    const definition = twoCriteria(scope);
    if (lake.mayStoreCohorts) {
      const id = `bench-high-hba1c-${scope.from}-${scope.to}`;
      await lake.store(id, definition);
      return [[await lake.cohortSize(id)]];
    }
    const [diabetics, rows] = await Promise.all([
      diabeticsByLake(lake),
      lake.view("laboratory", [
        ["select", "patient_key,effective"],
        ["loinc_code", `eq.${HBA1C}`],
        ["status", `in.(${VALID_STATUSES.join(",")})`],
        ["value_number", `gt.${THRESHOLD}`],
        ["comparator", "is.null"],
      ]),
    ]);
    const inTime = rows.filter((row) => {
      const day = textOf(row["effective"])?.slice(0, 10) ?? "";
      return day >= scope.from && day <= scope.to;
    });
    const high = new Set(inTime.map((row) => lake.idOf(row["patient_key"])));
    return [[diabetics.filter((id) => high.has(id)).length]];
  },
};

/** The cohort of {@link cohortTwoCriteria}: everybody, the day after the window as index, days counted back from it. */
function twoCriteria({ from, to }: Scope): object {
  const index = shifted(to, 1);
  const back = Math.round((Date.parse(index) - Date.parse(from)) / DAY_MS);
  return {
    title: "Type 2 diabetes with a high HbA1c",
    valueSets: VALUE_SETS,
    entry: { everyone: { at: index } },
    include: [
      { view: "condition", in: "diabetes", where: { verification_status: "confirmed" }, records: "all" },
      {
        view: "laboratory",
        in: "hba1c",
        where: { status: [...VALID_STATUSES] },
        value: { gt: THRESHOLD, unit: "%" },
        within: { from: -back, to: -1 },
      },
    ],
  };
}
