import { ageAt, DAY, dateText, localDay } from "./calendar.js";
import type { Chart, DiabetesStatus } from "./chart.js";
import type { ConditionFact, Measured, ObservationFact, ObservedValue } from "./fact.js";
import { onsetText } from "./render/condition.js";
import { birthDateText, deathDateText } from "./render/patient.js";
import { toPercent } from "./story/diabetes.js";
import { hypertensionOf } from "./story/hypertension.js";
import { LAB, VITAL } from "./table/analyte.js";
import { CONDITION } from "./table/chronic.js";

/**
 * What is true of one patient, from the story and not from the files: the answers that queries over the data have to give.
 * Empty strings stand for "none". Only valid results count: status final, amended or corrected, with a value.
 */
export interface TruthRow {
  readonly patient_id: string;
  readonly mrn: string;
  /** As written in `Patient.birthDate`: may be a year or a month, or empty. */
  readonly birth_date: string;
  /** Full years at the end of the record. */
  readonly age: number;
  /** Sex at birth: `male` or `female`. */
  readonly sex: string;
  /** As written in `Patient.gender`. */
  readonly gender: string;
  readonly deceased: boolean;
  /** Day of death; empty while alive, or when only the fact of death is recorded. */
  readonly deceased_date: string;
  readonly postal_code: string;
  /** Id of the Patient that was merged into this one (its `link` says replaced-by). */
  readonly replaces_id: string;
  /** Which story of diabetes the patient lives; all but `type-2` are what a query for type 2 must not return. */
  readonly diabetes_story: DiabetesStatus;
  /** A confirmed Condition of type 2 diabetes (SNOMED CT 44054006 or ICD-10-CM E11.9). */
  readonly has_t2d: boolean;
  /** The day on which it began. */
  readonly t2d_onset: string;
  /** As written in `Condition.onsetDateTime`; empty when an age or nothing is written. */
  readonly t2d_onset_recorded: string;
  /** Valid HbA1c results, LOINC 4548-4 and 59261-8 together. */
  readonly hba1c_count: number;
  /** Of those, how many are in mmol/mol (59261-8). */
  readonly hba1c_mmol_count: number;
  /** The latest valid HbA1c in percent; mmol/mol converted by 0.09148 x + 2.152 and rounded to two digits. */
  readonly latest_hba1c_percent: number | "";
  readonly latest_hba1c_date: string;
  /** A confirmed Condition of hypertension (SNOMED CT 59621000). */
  readonly has_hypertension: boolean;
  /** Valid blood pressures (LOINC 85354-9) with both components. */
  readonly bp_count: number;
  readonly latest_systolic: number | "";
  readonly latest_diastolic: number | "";
  readonly latest_bp_date: string;
  readonly encounter_count: number;
  readonly condition_count: number;
  readonly observation_count: number;
  readonly medication_request_count: number;
}

/** The columns of the truth table in order. */
export const TRUTH_COLUMNS = [
  "patient_id",
  "mrn",
  "birth_date",
  "age",
  "sex",
  "gender",
  "deceased",
  "deceased_date",
  "postal_code",
  "replaces_id",
  "diabetes_story",
  "has_t2d",
  "t2d_onset",
  "t2d_onset_recorded",
  "hba1c_count",
  "hba1c_mmol_count",
  "latest_hba1c_percent",
  "latest_hba1c_date",
  "has_hypertension",
  "bp_count",
  "latest_systolic",
  "latest_diastolic",
  "latest_bp_date",
  "encounter_count",
  "condition_count",
  "observation_count",
  "medication_request_count",
] as const satisfies readonly (keyof TruthRow)[];

const TYPE_2: ReadonlySet<object> = new Set([CONDITION.type2, CONDITION.type2Short]);

/** The confirmed Condition of type 2 diabetes, if there is one. */
export function type2Of(chart: Chart): ConditionFact | undefined {
  return chart.conditions.find(({ code, verification }) => TYPE_2.has(code) && verification === "confirmed");
}

function valid({ status, value }: ObservationFact): boolean {
  return (status === "final" || status === "amended" || status === "corrected") && value.kind !== "absent";
}

/** The latest of some observations; of two at the same moment the one listed later. */
function latest(observations: readonly ObservationFact[]): ObservationFact | undefined {
  let best: ObservationFact | undefined;
  for (const observation of observations)
    if (best === undefined || observation.at >= best.at) best = observation;
  return best;
}

function percentOf({ analyte, value }: ObservationFact): number {
  const amount = (value as Measured).amount;
  return analyte === LAB.hba1c ? amount : Math.round(toPercent(amount) * 100) / 100;
}

function partOf(observation: ObservationFact, analyte: object): number | undefined {
  if (observation.value.kind !== "components") return undefined;
  const value: ObservedValue | undefined = observation.value.parts.find(
    (part) => part.analyte === analyte,
  )?.value;
  return value?.kind === "quantity" ? value.amount : undefined;
}

function diabetesTruth(chart: Chart) {
  const results = chart.observations.filter(
    (observation) =>
      (observation.analyte === LAB.hba1c || observation.analyte === LAB.hba1cIfcc) && valid(observation),
  );
  const last = latest(results);
  const condition = type2Of(chart);
  return {
    diabetes_story: chart.diabetes,
    has_t2d: condition !== undefined,
    t2d_onset: condition?.onset === undefined ? "" : dateText(localDay(condition.onset.at)),
    t2d_onset_recorded: onsetText(condition?.onset),
    hba1c_count: results.length,
    hba1c_mmol_count: results.filter(({ analyte }) => analyte === LAB.hba1cIfcc).length,
    latest_hba1c_percent: last === undefined ? ("" as const) : percentOf(last),
    latest_hba1c_date: last === undefined ? "" : dateText(localDay(last.at)),
  };
}

function pressureTruth(chart: Chart) {
  const readings = chart.observations.filter(
    (observation) =>
      observation.analyte === VITAL.bloodPressure &&
      valid(observation) &&
      partOf(observation, VITAL.systolic) !== undefined &&
      partOf(observation, VITAL.diastolic) !== undefined,
  );
  const last = latest(readings);
  return {
    has_hypertension: hypertensionOf(chart) !== undefined,
    bp_count: readings.length,
    latest_systolic: last === undefined ? ("" as const) : (partOf(last, VITAL.systolic) ?? ""),
    latest_diastolic: last === undefined ? ("" as const) : (partOf(last, VITAL.diastolic) ?? ""),
    latest_bp_date: last === undefined ? "" : dateText(localDay(last.at)),
  };
}

/** The truth about a chart as it stands. */
export function truthOf(chart: Chart): TruthRow {
  const { person, patient } = chart;
  return {
    patient_id: patient.id,
    mrn: person.mrn,
    birth_date: birthDateText(person),
    age: Math.max(0, ageAt(person.birthDay, chart.end - DAY / 2)),
    sex: person.sex,
    gender: person.gender,
    deceased: person.death !== undefined,
    deceased_date: deathDateText(person),
    postal_code: person.home.place.postalCode,
    replaces_id: patient.duplicate?.id ?? "",
    ...diabetesTruth(chart),
    ...pressureTruth(chart),
    encounter_count: chart.encounters.length,
    condition_count: chart.conditions.length,
    observation_count: chart.observations.length,
    medication_request_count: chart.medications.length,
  };
}

/** The header line of the truth table as CSV (RFC 4180, LF). */
export function truthHeader(): string {
  return TRUTH_COLUMNS.join(",");
}

/** A row of the truth table as CSV; no value needs quotes. */
export function truthLine(row: TruthRow): string {
  return TRUTH_COLUMNS.map((column) => String(row[column])).join(",");
}
