import { LakeError } from "#kernel";
import { type FhirReads, patientOf, type Resource } from "../fhir-reads.js";
import type { AnswerRow, Question } from "../question.js";
import {
  BLOOD_PRESSURE_TOKEN,
  DIASTOLIC,
  diabeticsByFhir,
  diabeticsByLake,
  HBA1C,
  HBA1C_TOKEN,
  hasLoinc,
  isValid,
  quantityOf,
  SYSTOLIC,
  textOf,
  VALID_STATUSES,
} from "./codes.js";

/** A measured value of a patient. */
interface Measured {
  readonly patient: string | undefined;
  readonly at: string | null;
  readonly value: number | null;
}

/** The newest value per patient; of several at one moment the greatest. */
function newest(all: readonly Measured[]): AnswerRow[] {
  const best = new Map<string, { readonly time: number; readonly row: Measured }>();
  for (const row of all) {
    const time = Date.parse(row.at ?? "");
    if (row.patient === undefined || row.value === null || Number.isNaN(time)) continue;
    const known = best.get(row.patient);
    const newer =
      known === undefined || time > known.time || (time === known.time && row.value > known.row.value!);
    if (newer) best.set(row.patient, { time, row });
  }
  return [...best.values()].map(({ row }) => [row.patient!, row.at, row.value]);
}

function measured(result: Resource): Measured {
  return {
    patient: patientOf(result),
    at: textOf(result["effectiveDateTime"]),
    value: quantityOf(result)?.value ?? null,
  };
}

/**
 * What `$lastn` finds of a code. Errors: `bench/refused` where the server takes the operation but not the code, as HAPI without a search engine
 * beside it does: then it gives the latest of everything.
 */
async function lastOf(
  fhir: FhirReads,
  code: string,
  parameters: Record<string, string>,
): Promise<Resource[]> {
  const found = await fhir.operation("Observation/$lastn", { ...parameters, max: "1" });
  if (found.every((result) => hasLoinc(result, code))) return found;
  throw new LakeError("unsupported", "bench/refused", "The FHIR server's $lastn does not regard the code.");
}

/** The newest HbA1c of everybody. */
export const latestHba1c: Question = {
  name: "latest-hba1c",
  title: "The latest HbA1c of every patient",
  fhirPlan:
    "`Observation/$lastn?max=1`; where refused or without regard to the code, all valid results with `_elements`, several pages at once, the newest per patient kept by the client",
  lakePlan:
    "the view `laboratory` by code and status, three columns; the newest per patient kept by the client",
  fhir: async (fhir) => {
    const parameters = { code: HBA1C_TOKEN, status: VALID_STATUSES.join(",") };
    const found = await fhir.firstOf(
      "latest-hba1c",
      () => lastOf(fhir, HBA1C, parameters),
      () =>
        fhir.search("Observation", {
          ...parameters,
          _elements: "subject,effectiveDateTime,valueQuantity,status",
        }),
    );
    return newest(found.filter(isValid).map(measured));
  },
  lake: async (lake) => {
    const rows = await lake.view("laboratory", [
      ["select", "patient_key,effective,value_number"],
      ["loinc_code", `eq.${HBA1C}`],
      ["status", `in.(${VALID_STATUSES.join(",")})`],
      ["value_number", "is.not_null"],
    ]);
    return newest(
      rows.map((row) => ({
        patient: lake.idOf(row["patient_key"]),
        at: textOf(row["effective"]),
        value: row["value_number"] === null ? null : Number(row["value_number"]),
      })),
    );
  },
};

/** All blood pressures of a cohort. */
export const cohortBloodPressures: Question = {
  name: "cohort-blood-pressures",
  title: "All blood pressures of the patients with confirmed type 2 diabetes",
  fhirPlan:
    "the cohort by a search of Conditions, then Observations by code for many patients per search, with `_elements`, several at once",
  lakePlan: "the cohort from the view `condition`, then the view `blood_pressure` for many patients per read",
  fhir: async (fhir) => {
    const found = await fhir.ofPatients("Observation", await diabeticsByFhir(fhir), {
      code: BLOOD_PRESSURE_TOKEN,
      status: VALID_STATUSES.join(","),
      _elements: "subject,effectiveDateTime,component,status",
    });
    return found
      .filter(isValid)
      .map((result) => [
        result.id,
        patientOf(result) ?? null,
        textOf(result["effectiveDateTime"]),
        quantityOf(result, SYSTOLIC)?.value ?? null,
        quantityOf(result, DIASTOLIC)?.value ?? null,
      ]);
  },
  lake: async (lake) => {
    const rows = await lake.ofPatients("blood_pressure", await diabeticsByLake(lake), [
      ["status", `in.(${VALID_STATUSES.join(",")})`],
      ["select", "id,patient_key,effective,systolic_number,diastolic_number"],
    ]);
    return rows.map((row) => [
      textOf(row["id"]),
      lake.idOf(row["patient_key"]) ?? null,
      textOf(row["effective"]),
      row["systolic_number"] === null ? null : Number(row["systolic_number"]),
      row["diastolic_number"] === null ? null : Number(row["diastolic_number"]),
    ]);
  },
};
