import { describe, expect, it } from "vitest";
import { patientRecord } from "./record.js";
import { chartTexts } from "./render/chart.js";
import { tellLife } from "./story/life.js";
import { TRUTH_COLUMNS, type TruthRow, truthHeader, truthLine, truthOf } from "./truth.js";
import { isTouched, tellNight } from "./update/night.js";

interface Coding {
  readonly system: string;
  readonly code: string;
}
interface Concept {
  readonly coding: readonly Coding[];
}
interface Quantity {
  readonly value: number;
  readonly code: string;
}
interface Condition {
  readonly code: Concept;
  readonly verificationStatus: Concept;
  readonly onsetDateTime?: string;
}
interface Observation {
  readonly status: string;
  readonly code: Concept;
  readonly effectiveDateTime: string;
  readonly valueQuantity?: Quantity;
  readonly component?: readonly { readonly code: Concept; readonly valueQuantity?: Quantity }[];
}

const LOINC = "http://loinc.org";

function has(concept: Concept, system: string, code: string): boolean {
  return concept.coding.some((coding) => coding.system === system && coding.code === code);
}

/** What a careful analyst computes from the resources alone. */
function analysed(texts: readonly { readonly type: string; readonly text: string }[]) {
  const read = <T>(type: string) =>
    texts.filter((resource) => resource.type === type).map(({ text }) => JSON.parse(text) as T);
  const conditions = read<Condition>("Condition").filter(
    (c) => c.verificationStatus.coding[0]!.code === "confirmed",
  );
  const observations = read<Observation>("Observation").filter((o) =>
    ["final", "amended", "corrected"].includes(o.status),
  );
  const type2 = conditions.filter(
    ({ code }) =>
      has(code, "http://snomed.info/sct", "44054006") ||
      has(code, "http://hl7.org/fhir/sid/icd-10-cm", "E11.9"),
  );
  const hba1c = observations.filter(
    (o) => o.valueQuantity !== undefined && (has(o.code, LOINC, "4548-4") || has(o.code, LOINC, "59261-8")),
  );
  const part = (o: Observation, code: string) =>
    o.component?.find((c) => has(c.code, LOINC, code))?.valueQuantity?.value;
  const pressures = observations.filter(
    (o) =>
      has(o.code, LOINC, "85354-9") && part(o, "8480-6") !== undefined && part(o, "8462-4") !== undefined,
  );
  const latest = (list: readonly Observation[]) =>
    list.reduce<Observation | undefined>(
      (a, b) =>
        a === undefined || Date.parse(b.effectiveDateTime) >= Date.parse(a.effectiveDateTime) ? b : a,
      undefined,
    );
  const lastHba1c = latest(hba1c);
  const lastPressure = latest(pressures);
  const percent = ({ value, code }: Quantity) =>
    code === "%" ? value : Math.round((0.09148 * value + 2.152) * 100) / 100;
  return {
    has_t2d: type2.length > 0,
    t2d_onset_recorded: type2[0]?.onsetDateTime ?? "",
    hba1c_count: hba1c.length,
    hba1c_mmol_count: hba1c.filter((o) => o.valueQuantity!.code === "mmol/mol").length,
    latest_hba1c_percent: lastHba1c === undefined ? "" : percent(lastHba1c.valueQuantity!),
    latest_hba1c_date: lastHba1c?.effectiveDateTime.slice(0, 10) ?? "",
    has_hypertension: conditions.some(
      ({ code }) =>
        has(code, "http://snomed.info/sct", "59621000") ||
        has(code, "http://hl7.org/fhir/sid/icd-10-cm", "I10"),
    ),
    bp_count: pressures.length,
    latest_systolic: lastPressure === undefined ? "" : part(lastPressure, "8480-6")!,
    latest_diastolic: lastPressure === undefined ? "" : part(lastPressure, "8462-4")!,
    latest_bp_date: lastPressure?.effectiveDateTime.slice(0, 10) ?? "",
    encounter_count: read("Encounter").length,
    condition_count: read("Condition").length,
    observation_count: read("Observation").length,
    medication_request_count: read("MedicationRequest").length,
  } satisfies Partial<TruthRow>;
}

const PATIENTS = 400;
const records = Array.from({ length: PATIENTS }, (_, index) => patientRecord(77, index, { density: 0.6 }));
const rows = records.map(({ truth }) => truth);
const adults = rows.filter(({ age }) => age >= 18);

describe("the truth table", () => {
  it("says what an analyst finds in the resources", () => {
    for (const { resources, truth } of records) expect(truth).toMatchObject(analysed(resources));
  });

  it("stays true through nightly batches", () => {
    let nights = 0;
    for (let index = 0; index < 80; index++) {
      const chart = tellLife(77, index, 0.4);
      for (let batch = 1; batch <= 10; batch++) {
        if (!isTouched(77, index, batch)) continue;
        tellNight(chart, batch, { meta: true });
        nights++;
      }
      expect(truthOf(chart)).toMatchObject(analysed(chartTexts(chart, { meta: true })));
    }
    expect(nights).toBeGreaterThan(150);
  });

  it("describes the Patient resource", () => {
    for (const { resources, truth } of records) {
      const patient = JSON.parse(resources[0]!.text) as {
        readonly id: string;
        readonly birthDate?: string;
        readonly gender: string;
        readonly deceasedBoolean?: boolean;
        readonly deceasedDateTime?: string;
        readonly address: readonly { readonly postalCode: string }[];
      };
      expect(truth.patient_id).toBe(patient.id);
      expect(truth.birth_date).toBe(patient.birthDate ?? "");
      expect(truth.gender).toBe(patient.gender);
      expect(truth.deceased).toBe(patient.deceasedBoolean === true || patient.deceasedDateTime !== undefined);
      expect(truth.deceased_date).toBe(patient.deceasedDateTime?.slice(0, 10) ?? "");
      expect(truth.postal_code).toBe(patient.address[0]!.postalCode);
      expect(resources[0]!.text).toContain(`"value":"${truth.mrn}"`);
    }
  });

  it("is one line of CSV per patient", () => {
    expect(truthHeader().split(",")).toEqual([...TRUTH_COLUMNS]);
    for (const row of rows) {
      expect(truthLine(row).split(",")).toHaveLength(TRUTH_COLUMNS.length);
      expect(truthLine(row)).not.toMatch(/["\n]/);
    }
  });
});

describe("clinical use", () => {
  it("has at least 8 % of adults with type 2 diabetes, each with three HbA1c or more, for any seed", () => {
    for (const seed of [1, 2]) {
      const truths = Array.from(
        { length: 180 },
        (_, index) => patientRecord(seed, index, { density: 0.2 }).truth,
      );
      const grown = truths.filter(({ age }) => age >= 18);
      const diabetics = grown.filter(({ has_t2d }) => has_t2d);
      expect(diabetics.length / grown.length).toBeGreaterThanOrEqual(0.08);
      expect(diabetics.length / grown.length).toBeLessThan(0.2);
      for (const row of diabetics) expect(row.hba1c_count).toBeGreaterThanOrEqual(3);
    }
  });

  it("reports HbA1c in both units", () => {
    const counted = rows.filter(({ has_t2d }) => has_t2d);
    expect(counted.some(({ hba1c_mmol_count }) => hba1c_mmol_count > 0)).toBe(true);
    expect(counted.some(({ hba1c_mmol_count }) => hba1c_mmol_count === 0)).toBe(true);
  });

  it("has hypertension in a quarter to a third of adults, each with blood pressures", () => {
    const raised = adults.filter(({ has_hypertension }) => has_hypertension);
    expect(raised.length / adults.length).toBeGreaterThan(0.2);
    expect(raised.length / adults.length).toBeLessThan(0.42);
    for (const row of raised) expect(row.bp_count).toBeGreaterThan(0);
    const mean = (list: readonly TruthRow[]) =>
      list.reduce((sum, row) => sum + Number(row.latest_systolic), 0) / list.length;
    const calm = adults.filter((row) => !row.has_hypertension && row.bp_count > 0);
    expect(mean(raised)).toBeGreaterThan(mean(calm) + 8);
  });

  it("has every near miss of type 2 diabetes, none of which counts as it", () => {
    const stories = new Map<string, TruthRow[]>();
    for (const row of rows)
      stories.set(row.diabetes_story, [...(stories.get(row.diabetes_story) ?? []), row]);
    for (const story of [
      "prediabetes",
      "gestational",
      "family-history",
      "refuted",
      "entered-in-error",
      "provisional",
      "single-hba1c",
      "type-1",
    ]) {
      expect(stories.get(story)?.length ?? 0, story).toBeGreaterThan(0);
      for (const row of stories.get(story)!) expect(row.has_t2d).toBe(false);
    }
    for (const row of stories.get("type-2")!) expect(row.has_t2d).toBe(true);
    for (const row of stories.get("single-hba1c")!) expect(row.hba1c_count).toBeGreaterThanOrEqual(1);
  });
});
