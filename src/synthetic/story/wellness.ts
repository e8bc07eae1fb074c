import { ageAt, civilOf, DAY, localDay } from "../calendar.js";
import type { Chart } from "../chart.js";
import type { EncounterFact } from "../fact.js";
import { detailStart } from "../person.js";
import type { Random } from "../random.js";
import { FINDING, PANEL } from "../table/analyte.js";
import { PROCEDURE } from "../table/procedure.js";
import { COVID, INFLUENZA, SCHEDULE } from "../table/vaccine.js";
import { VISIT } from "../table/visit.js";
import { raisedPressure } from "./hypertension.js";
import { test, testPanel } from "./measure.js";
import { immunize, perform } from "./treat.js";
import { vitalSigns } from "./vital-signs.js";

const MONTH = 30.436875;
const CHILD_MONTHS: readonly number[] = [0.3, 1, 2, 4, 6, 9, 12, 15, 18, 24, 30, 36];

/** Days from birth at which check-ups fall: the paediatric schedule, then about yearly, rarer for those who avoid care. */
function* checkUpDays(chart: Chart, random: Random, fromDay: number, toDay: number): Generator<number> {
  const born = chart.person.birthDay;
  for (const month of CHILD_MONTHS) {
    const day = born + Math.ceil(month * MONTH) + random.whole(0, 6);
    if (day >= fromDay && day < toDay) yield day;
  }
  const use = Math.min(1.5, Math.max(0.35, chart.person.utilization * chart.density));
  let day = Math.max(born + 4 * 365, fromDay) + random.whole(0, 364);
  while (day < toDay) {
    yield day;
    day += Math.round(random.between(380, 500) / Math.min(1, use + 0.15));
  }
}

/** The laboratory work of an adult check-up. */
function screen(chart: Chart, random: Random, encounter: EncounterFact, age: number): void {
  if (age < 18) {
    if (random.chance(0.05)) testPanel(chart, random, encounter, PANEL.bloodCount);
    return;
  }
  if (random.chance(0.26)) testPanel(chart, random, encounter, PANEL.basic);
  else if (random.chance(0.13)) testPanel(chart, random, encounter, PANEL.comprehensive);
  if (random.chance(age > 35 ? 0.36 : 0.15)) testPanel(chart, random, encounter, PANEL.lipid);
  if (random.chance(0.2)) testPanel(chart, random, encounter, PANEL.bloodCount);
  if (random.chance(0.03)) testPanel(chart, random, encounter, PANEL.urine);
  if (random.chance(0.02)) test(chart, random, encounter, FINDING.bloodGroup);
  if (random.chance(0.035)) test(chart, random, encounter, FINDING.housing);
  if (random.chance(0.035)) test(chart, random, encounter, FINDING.insurance);
  if (random.chance(0.12)) test(chart, random, encounter, FINDING.alcohol);
}

function prevent(chart: Chart, random: Random, encounter: EncounterFact, age: number): void {
  const act = ({ code, cents, minutes }: (typeof PROCEDURE)[keyof typeof PROCEDURE]) =>
    perform(chart, random, encounter, code, cents, { minutes });
  if (random.chance(0.5)) act(PROCEDURE.reconciliation);
  if (age >= 12 && random.chance(0.1)) act(PROCEDURE.depressionScreening);
  if (age >= 45 && age < 76 && random.chance(0.09)) act(PROCEDURE.colonoscopy);
  if (age >= 50 && random.chance(0.06)) act(PROCEDURE.occultBlood);
  if (chart.person.sex === "female" && age >= 40 && age < 75 && random.chance(0.25))
    act(PROCEDURE.mammography);
}

/** The vaccines due at a check-up: influenza each year, what the schedule asks since the last one, COVID-19 from 2021. */
function vaccinate(chart: Chart, random: Random, encounter: EncounterFact, sinceDay: number): void {
  const day = localDay(encounter.start);
  const { year, month } = civilOf(day);
  const born = chart.person.birthDay;
  const age = ageAt(born, encounter.start);
  if (day - born > 180 && random.chance(month >= 9 || month <= 2 ? 0.85 : 0.62))
    immunize(chart, random, encounter, INFLUENZA);
  for (const dose of SCHEDULE) {
    const due = born + dose.month * MONTH;
    if (due > day) break;
    if (due > sinceDay && random.chance(0.92)) immunize(chart, random, encounter, dose.vaccine);
  }
  if (year >= 2021 && age >= 12 && random.chance(0.35))
    immunize(chart, random, encounter, random.pick(COVID));
}

/** One check-up: vital signs, laboratory work, prevention, vaccines. */
export function checkUp(chart: Chart, random: Random, at: number, lastDay: number): EncounterFact {
  const age = ageAt(chart.person.birthDay, at);
  const encounter = chart.visit(age < 18 ? VISIT.wellChild : VISIT.wellness, at);
  vitalSigns(chart, random, encounter, raisedPressure(chart, at));
  screen(chart, random, encounter, age);
  prevent(chart, random, encounter, age);
  vaccinate(chart, random, encounter, lastDay);
  return encounter;
}

/** Tells the check-ups of the detailed years. */
export function tellWellness(chart: Chart): void {
  const random = chart.stream("wellness");
  const fromDay = localDay(detailStart(chart.person));
  const toDay = localDay(chart.end) - 1;
  let lastDay = fromDay - 1;
  for (const day of checkUpDays(chart, random, fromDay, toDay)) {
    if (day <= lastDay) continue;
    checkUp(chart, random, chart.appointment(random, day * DAY + 43_200), lastDay);
    lastDay = day;
  }
}
