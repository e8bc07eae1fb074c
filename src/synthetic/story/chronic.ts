import { ageAt, DAY, momentOf } from "../calendar.js";
import type { Chart } from "../chart.js";
import type { ConditionFact } from "../fact.js";
import { bodyAt, detailStart } from "../person.js";
import type { Random } from "../random.js";
import { CHRONIC, type ChronicDisease, CONDITION } from "../table/chronic.js";
import type { Drug } from "../table/drug.js";
import { VISIT, type VisitKind } from "../table/visit.js";
import { diagnose } from "./diagnose.js";
import { test, testPanel } from "./measure.js";
import { perform, planCare, prescribe } from "./treat.js";

const MOST_VISITS = 32;

function shareAt(disease: ChronicDisease, age: number): number {
  const band = age < 18 ? 0 : age < 40 ? 1 : age < 60 ? 2 : age < 75 ? 3 : 4;
  return disease.prevalence[band]!;
}

/** One follow-up visit for a chronic disease: its drugs, tests and procedures. */
export function chronicVisit(
  chart: Chart,
  random: Random,
  at: number,
  disease: ChronicDisease,
  condition: ConditionFact,
): void {
  const encounter = chart.visit(disease.visit, at, condition.code.snomed);
  for (const drug of disease.drugs) {
    if (disease.drugs.length < 3 || random.chance(0.7))
      prescribe(chart, random, encounter, drug, condition, true);
  }
  for (const analyte of disease.tests) if (random.chance(0.7)) test(chart, random, encounter, analyte);
  if (disease.panel !== undefined && random.chance(0.6)) testPanel(chart, random, encounter, disease.panel);
  for (const { code, share, cents } of disease.procedures) {
    if (random.chance(share)) perform(chart, random, encounter, code, cents, { reason: condition });
  }
}

/** Visits of the years before the detailed ones: now and then one, of which only the order of a drug is known. */
export function tellOutline(
  chart: Chart,
  random: Random,
  kind: VisitKind,
  condition: ConditionFact,
  drug: Drug | undefined,
): void {
  const until = Math.min(detailStart(chart.person), condition.abatedAt ?? chart.end);
  const step = random.between(2, 5) / Math.min(2, Math.max(0.3, chart.person.utilization * chart.density));
  for (
    let at = condition.recordedAt + 300 * DAY;
    at < until;
    at += random.between(0.6, 1.4) * step * 365 * DAY
  ) {
    const encounter = chart.visit(kind, chart.appointment(random, Math.floor(at)), condition.code.snomed);
    if (drug !== undefined) prescribe(chart, random, encounter, drug, condition, false);
  }
}

function tellDisease(chart: Chart, random: Random, disease: ChronicDisease, age: number): void {
  const longest = Math.max(0.6, age - disease.from);
  const years = random.between(0.3, Math.min(longest, age > 60 ? 30 : 18));
  const onset = chart.appointment(random, chart.end - Math.floor(years * 365.25) * DAY);
  if (onset < momentOf(chart.person.birthDay, 0)) return;
  const first = chart.visit(VISIT.problem, onset);
  const ends = random.chance(0.1) ? onset + random.whole(200, 2000) * DAY : undefined;
  const condition = diagnose(chart, random, disease.code, first, { chronic: true, abatedAt: ends });
  for (const drug of disease.drugs.slice(0, 1)) prescribe(chart, random, first, drug, condition, false);
  if (disease.program !== undefined) planCare(chart, first, disease.program, condition, undefined);
  tellOutline(chart, random, disease.visit, condition, disease.drugs[0]);
  const until = Math.min(chart.end - 2 * DAY, condition.abatedAt ?? chart.end);
  const from = Math.max(onset + 30 * DAY, detailStart(chart.person));
  const step =
    365 / (disease.visitsPerYear * Math.min(2, Math.max(0.2, chart.person.utilization * chart.density)));
  let count = 0;
  for (
    let at = from + random.uniform() * step * DAY;
    at < until && count < MOST_VISITS;
    at += random.between(0.6, 1.4) * step * DAY
  ) {
    chronicVisit(chart, random, chart.appointment(random, Math.floor(at)), disease, condition);
    count++;
  }
}

/** Adds obesity as a diagnosis where the body mass index asks for it. */
function tellWeight(chart: Chart, random: Random, age: number): void {
  const { bodyMass } = bodyAt(chart.person, age);
  if (age < 18 || bodyMass < 30 || !random.chance(0.9)) return;
  const at = chart.appointment(random, chart.end - random.whole(100, 3000) * DAY);
  if (at < momentOf(chart.person.birthDay, 0)) return;
  const code = bodyMass >= 40 ? CONDITION.severeObesity : CONDITION.obesity;
  diagnose(chart, random, code, chart.visit(VISIT.checkUp, at), { chronic: true });
}

/** Tells the chronic diseases beside diabetes and hypertension, and obesity. */
export function tellChronic(chart: Chart): void {
  const random = chart.stream("chronic");
  const age = ageAt(chart.person.birthDay, chart.end);
  for (const disease of CHRONIC) {
    const has = random.chance(shareAt(disease, age) * Math.min(1.6, 0.55 + 0.45 * chart.person.utilization));
    if (!has || age < disease.from + 1) continue;
    if (disease.sex !== "any" && disease.sex !== chart.person.sex) continue;
    tellDisease(chart, chart.stream(`chronic/${disease.name}`), disease, age);
  }
  tellWeight(chart, random, age);
}
