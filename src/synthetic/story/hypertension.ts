import { ageAt, DAY, momentOf } from "../calendar.js";
import type { Chart } from "../chart.js";
import type { ConditionFact, EncounterFact } from "../fact.js";
import { detailStart } from "../person.js";
import type { Random } from "../random.js";
import { PANEL } from "../table/analyte.js";
import { PROGRAM } from "../table/care-program.js";
import { CONDITION } from "../table/chronic.js";
import { DRUG, type Drug } from "../table/drug.js";
import { PROCEDURE } from "../table/procedure.js";
import { VISIT } from "../table/visit.js";
import { tellOutline } from "./chronic.js";
import { diagnose } from "./diagnose.js";
import { testPanel } from "./measure.js";
import { perform, planCare, prescribe } from "./treat.js";
import { bloodPressure } from "./vital-signs.js";

/** The Condition that makes a person hypertensive: confirmed, whatever became of it later. */
export function hypertensionOf(chart: Chart): ConditionFact | undefined {
  return chart.conditions.find(
    ({ code, verification }) => HYPERTENSION.has(code) && verification === "confirmed",
  );
}

const HYPERTENSION: ReadonlySet<object> = new Set([CONDITION.hypertension, CONDITION.hypertensionEssential]);

/** By how much a person's blood pressure is raised at a time: hypertension, less once it is treated. */
export function raisedPressure(chart: Chart, at: number): number {
  const onset = hypertensionOf(chart)?.recordedAt;
  if (onset === undefined) return 0;
  return at < onset - 2 * 365 * DAY ? 6 : at < onset + 120 * DAY ? 29 : 17;
}

function share(age: number, diabetic: boolean): number {
  const base = age < 18 ? 0.003 : age < 35 ? 0.05 : age < 50 ? 0.18 : age < 65 ? 0.36 : 0.55;
  return diabetic ? Math.min(0.8, base * 1.5) : base;
}

/** One follow-up visit: a blood pressure and the next prescription. */
export function pressureVisit(
  chart: Chart,
  random: Random,
  at: number,
  condition: ConditionFact,
  drug: Drug,
  certain: boolean,
): EncounterFact {
  const encounter = chart.visit(VISIT.hypertension, at, condition.code.snomed);
  bloodPressure(chart, random, encounter, { certain, raisedBy: raisedPressure(chart, at) });
  prescribe(chart, random, encounter, drug, condition, true);
  if (random.chance(0.18)) testPanel(chart, random, encounter, PANEL.basic);
  return encounter;
}

/** Tells hypertension, for those who have it: diagnosis, care plan, follow-ups with blood pressures. */
export function tellHypertension(chart: Chart): void {
  const random = chart.stream("hypertension");
  const { person } = chart;
  const age = ageAt(person.birthDay, chart.end);
  const has = random.chance(share(age, chart.diabetes === "type-2"));
  const years = random.between(1, Math.max(1.5, Math.min(18, age - 16)));
  if (!has || age < 8) return;
  const onset = chart.appointment(random, chart.end - Math.floor(years * 365.25) * DAY);
  if (onset < momentOf(person.birthDay, 0)) return;
  const first = chart.visit(VISIT.problem, onset);
  const code = random.chance(0.7) ? CONDITION.hypertension : CONDITION.hypertensionEssential;
  const condition = diagnose(chart, random, code, first, { chronic: true });
  planCare(chart, first, PROGRAM.hypertension, condition, undefined);
  if (random.chance(0.3))
    perform(chart, random, first, PROCEDURE.referralHypertension.code, PROCEDURE.referralHypertension.cents, {
      reason: condition,
    });
  followUp(chart, random, condition, onset);
}

function followUp(chart: Chart, random: Random, condition: ConditionFact, onset: number): void {
  const drugs = [
    DRUG.hydrochlorothiazide,
    DRUG.hydrochlorothiazide,
    DRUG.amlodipineCombination,
    DRUG.atenololCombination,
    DRUG.lisinopril,
    DRUG.amlodipine,
  ];
  const drug = random.pick(drugs);
  tellOutline(chart, random, VISIT.hypertension, condition, drug);
  const from = Math.max(onset + 20 * DAY, detailStart(chart.person));
  // Everybody with the diagnosis has a few blood pressures, however rarely they see a doctor.
  const longest = Math.max(20, (chart.end - from) / DAY / 4);
  const step = Math.min(
    longest,
    random.between(240, 400) / Math.min(1.6, chart.person.utilization * chart.density + 0.2),
  );
  let count = 0;
  for (let at = from; at < chart.end - 2 * DAY && count < 40; at += random.between(0.7, 1.3) * step * DAY) {
    pressureVisit(chart, random, chart.appointment(random, Math.floor(at)), condition, drug, count < 3);
    count++;
  }
}
