import { ageAt, DAY, momentOf } from "../calendar.js";
import type { Chart, DiabetesStatus } from "../chart.js";
import { code } from "../code.js";
import type { ConditionFact, EncounterFact, ObservationFact } from "../fact.js";
import { detailStart } from "../person.js";
import { evenDraw, type Random } from "../random.js";
import { LAB, PANEL } from "../table/analyte.js";
import { PROGRAM } from "../table/care-program.js";
import { CONDITION } from "../table/chronic.js";
import type { ClinicalCode } from "../table/clinical-code.js";
import { DRUG } from "../table/drug.js";
import { PROCEDURE } from "../table/procedure.js";
import { VISIT } from "../table/visit.js";
import { diagnose } from "./diagnose.js";
import { raisedPressure } from "./hypertension.js";
import { measured, observe, test, testPanel } from "./measure.js";
import { perform, planCare, prescribe } from "./treat.js";
import { bloodPressure, bodyMeasures } from "./vital-signs.js";

// Shares of adults beside type 2 diabetes, laid end to end after it on the same even draw.
const NEAR_MISSES: readonly (readonly [DiabetesStatus, number])[] = [
  ["prediabetes", 0.13],
  ["family-history", 0.05],
  ["single-hba1c", 0.08],
  ["refuted", 0.015],
  ["entered-in-error", 0.015],
  ["provisional", 0.008],
  ["type-1", 0.008],
];

/** Share of an age that has type 2 diabetes. */
function type2Share(age: number): number {
  return age < 24 ? 0 : age < 40 ? 0.05 : age < 55 ? 0.13 : age < 70 ? 0.21 : 0.24;
}

/** Which diabetes story a person lives; evenly spread over the population, so that small ones have every kind. */
export function diabetesStatus(seed: number, index: number, age: number): DiabetesStatus {
  if (age < 18) return "none";
  const draw = evenDraw(seed, index, 1);
  let edge = type2Share(age);
  if (draw < edge) return "type-2";
  for (const [status, share] of NEAR_MISSES) {
    edge += share;
    if (draw < edge) return status;
  }
  return "none";
}

/** HbA1c in mmol/mol (IFCC) for a percentage (NGSP), rounded to a whole number: the master equation of 2007. */
export function toMillimoles(percent: number): number {
  return Math.round((percent - 2.152) / 0.09148);
}

/** HbA1c in percent (NGSP) for mmol/mol (IFCC), not rounded. */
export function toPercent(millimoles: number): number {
  return 0.09148 * millimoles + 2.152;
}

/** Adds an HbA1c result, in percent or, as some laboratories do, in mmol/mol. */
export function hemoglobinA1c(
  chart: Chart,
  random: Random,
  encounter: EncounterFact,
  percent: number,
  options: { readonly millimoles: boolean; readonly certain: boolean },
): ObservationFact {
  const bounded = Math.min(16, Math.max(4.2, percent));
  const analyte = options.millimoles ? LAB.hba1cIfcc : LAB.hba1c;
  const value = measured(analyte, options.millimoles ? toMillimoles(bounded) : bounded);
  return observe(chart, random, encounter, analyte, value, { certain: options.certain });
}

/** One visit of a diabetic: HbA1c, weight, blood pressure, glucose, prescription, at times feet, eyes and kidneys. */
export function diabetesVisit(
  chart: Chart,
  random: Random,
  at: number,
  condition: ConditionFact,
  percent: number,
  options: { readonly millimoles: boolean; readonly certain: boolean; readonly insulin: boolean },
): EncounterFact {
  const encounter = chart.visit(VISIT.diabetes, at, condition.code.snomed);
  hemoglobinA1c(chart, random, encounter, percent, options);
  bodyMeasures(chart, random, encounter, false);
  bloodPressure(chart, random, encounter, { raisedBy: raisedPressure(chart, at) });
  prescribe(chart, random, encounter, options.insulin ? DRUG.insulin : DRUG.metformin, condition, true);
  if (random.chance(0.3)) testPanel(chart, random, encounter, PANEL.basic);
  if (random.chance(0.28)) test(chart, random, encounter, LAB.microalbumin);
  if (random.chance(0.25))
    perform(chart, random, encounter, PROCEDURE.footExam.code, PROCEDURE.footExam.cents, {
      reason: condition,
    });
  if (random.chance(0.16))
    perform(chart, random, encounter, PROCEDURE.eyeExam.code, PROCEDURE.eyeExam.cents, {
      reason: condition,
      minutes: 20,
    });
  return encounter;
}

function onsetOf(chart: Chart, random: Random): number {
  const age = ageAt(chart.person.birthDay, chart.end);
  const years = random.between(1.8, Math.max(2, Math.min(22, age - 21)));
  return chart.appointment(random, chart.end - Math.floor(years * 365.25) * DAY);
}

/** Which of its codes the diagnosis carries: a cohort has to look for both. */
function codingsOf(random: Random): ConditionFact["codings"] {
  const draw = random.uniform();
  return draw < 0.6 ? "both" : draw < 0.85 ? "snomed" : "icd10";
}

function tellDiabetic(chart: Chart, random: Random, diagnosis: ClinicalCode, type1: boolean): void {
  const onset = onsetOf(chart, random);
  const first = chart.visit(VISIT.problem, onset);
  const condition = diagnose(chart, random, diagnosis, first, { chronic: true, codings: codingsOf(random) });
  planCare(chart, first, PROGRAM.diabetes, condition, undefined);
  chart.shift(LAB.glucose, onset, random.between(25, 90));
  chart.shift(LAB.microalbumin, onset, random.between(0, 120));
  const millimoles = random.chance(0.22);
  const start = random.normal(8.4, 1.1);
  const target = random.normal(7.2, 0.8);
  const insulinFrom = type1
    ? onset
    : random.chance(0.3)
      ? onset + random.between(2, 12) * 365 * DAY
      : chart.end;
  const step = Math.min(
    175,
    random.between(100, 210) / Math.min(1.5, chart.person.utilization * chart.density + 0.15),
  );
  let count = 0;
  for (
    let at = Math.max(onset + 5 * DAY, detailStart(chart.person));
    at < chart.end - 2 * DAY;
    at += random.between(0.8, 1.15) * step * DAY
  ) {
    const years = (at - onset) / (365 * DAY);
    const percent =
      target +
      Math.max(0, start - target) * Math.max(0, 1 - years / 2) +
      years * 0.03 +
      random.normal(0, 0.35);
    diabetesVisit(chart, random, chart.appointment(random, Math.floor(at)), condition, percent, {
      millimoles: millimoles && random.chance(0.8),
      certain: count < 3,
      insulin: at >= insulinFrom,
    });
    count++;
  }
  complicate(chart, random, onset);
}

/** What diabetes does to nerves, eyes and kidneys over the years. */
function complicate(chart: Chart, random: Random, onset: number): void {
  const years = (chart.end - onset) / (365 * DAY);
  const list = [
    CONDITION.neuropathy,
    CONDITION.retinopathy,
    CONDITION.microalbuminuria,
    CONDITION.nephropathy,
    CONDITION.kidney2,
    CONDITION.kidney3,
  ];
  for (const complication of list) {
    if (!random.chance(Math.min(0.35, 0.018 * years))) continue;
    const at = chart.appointment(
      random,
      Math.floor(chart.end - random.uniform() * Math.min(years, 9) * 300 * DAY),
    );
    if (at <= onset) continue;
    const encounter = chart.visit(VISIT.followUp, at, complication.snomed);
    const condition = diagnose(chart, random, complication, encounter, { chronic: true });
    if (complication === CONDITION.kidney3 || complication === CONDITION.nephropathy) {
      chart.shift(LAB.creatinine, at, random.between(0.5, 2));
      test(chart, random, encounter, LAB.filtrationLow);
    }
    if (random.chance(0.4)) prescribe(chart, random, encounter, DRUG.lisinopril, condition, true);
  }
}

function tellPrediabetes(chart: Chart, random: Random): void {
  const onset = onsetOf(chart, random);
  const first = chart.visit(VISIT.problem, onset);
  diagnose(chart, random, CONDITION.prediabetes, first, { chronic: true });
  const times = random.whole(1, 6);
  const from = Math.max(onset + 10 * DAY, detailStart(chart.person));
  for (let i = 0; i < times; i++) {
    const at = Math.floor(from + ((chart.end - 10 * DAY - from) * (i + random.uniform())) / times);
    const encounter = chart.visit(
      VISIT.followUp,
      chart.appointment(random, at),
      CONDITION.prediabetes.snomed,
    );
    hemoglobinA1c(chart, random, encounter, random.between(5.7, 6.4), {
      millimoles: random.chance(0.1),
      certain: false,
    });
    if (random.chance(0.3)) testPanel(chart, random, encounter, PANEL.basic);
  }
}

/** A diagnosis of type 2 diabetes that is not one: refuted, recorded in error, or only suspected. */
function tellDoubtful(
  chart: Chart,
  random: Random,
  verification: "refuted" | "entered-in-error" | "provisional",
): void {
  const day = Math.floor(
    random.between(0.1, 0.9) * Math.min(7 * 365, (chart.end - momentOf(chart.person.birthDay, 0)) / DAY),
  );
  const at =
    verification === "provisional"
      ? chart.end - random.whole(5, 90) * DAY
      : chart.end - Math.max(40, day) * DAY;
  const encounter = chart.visit(VISIT.problem, chart.appointment(random, at));
  diagnose(chart, random, CONDITION.type2, encounter, {
    chronic: true,
    verification,
    codings: codingsOf(random),
  });
  const percent = verification === "provisional" ? random.between(6.4, 6.9) : random.between(5, 6.1);
  const times = verification === "refuted" ? 3 : 1;
  for (let i = 0; i < times; i++) {
    const later = Math.min(encounter.start + i * 100 * DAY, chart.end - (4 - i) * DAY);
    const visit = i === 0 ? encounter : chart.visit(VISIT.followUp, chart.appointment(random, later));
    hemoglobinA1c(chart, random, visit, percent + random.normal(0, 0.1), {
      millimoles: false,
      certain: false,
    });
  }
}

function tellFamilyHistory(chart: Chart, random: Random): void {
  const encounter = chart.visit(
    VISIT.checkUp,
    chart.appointment(random, chart.end - random.whole(30, 2500) * DAY),
  );
  const relatives = chart.stream("relative");
  // Half of the systems have a resource of its own for this, half keep it as a problem.
  if (random.chance(0.5)) {
    diagnose(chart, random, CONDITION.familyHistory, encounter, { chronic: true });
    return;
  }
  chart.familyHistory.push({
    ...chart.newFact(encounter.end),
    relative: relatives.pick(RELATIVES),
    condition: CONDITION.type2.snomed,
    recordedAt: encounter.start,
  });
}

const ROLE = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";
const RELATIVES = [
  code(ROLE, "FTH", "father"),
  code(ROLE, "MTH", "mother"),
  code(ROLE, "BRO", "brother"),
  code(ROLE, "SIS", "sister"),
];

function tellSingle(chart: Chart, random: Random): void {
  const encounter = chart.visit(
    VISIT.checkUp,
    chart.appointment(random, chart.end - random.whole(30, 2500) * DAY),
  );
  hemoglobinA1c(chart, random, encounter, random.normal(5.7, 0.45), {
    millimoles: random.chance(0.1),
    certain: true,
  });
}

/** Sets the status that the truth table reports, before any story is told. */
export function assignDiabetes(chart: Chart): void {
  chart.diabetes = diabetesStatus(chart.seed, chart.index, ageAt(chart.person.birthDay, chart.end));
}

/** Tells diabetes and what looks like it. Gestational diabetes is told with the pregnancy. */
export function tellDiabetes(chart: Chart): void {
  const random = chart.stream("diabetes");
  switch (chart.diabetes) {
    case "type-2":
      tellDiabetic(chart, random, random.chance(0.8) ? CONDITION.type2 : CONDITION.type2Short, false);
      return;
    case "type-1":
      tellDiabetic(chart, random, CONDITION.type1, true);
      return;
    case "prediabetes":
      tellPrediabetes(chart, random);
      return;
    case "refuted":
    case "entered-in-error":
    case "provisional":
      tellDoubtful(chart, random, chart.diabetes);
      return;
    case "family-history":
      tellFamilyHistory(chart, random);
      return;
    case "single-hba1c":
      tellSingle(chart, random);
      return;
    case "gestational":
    case "none":
      return;
  }
}
