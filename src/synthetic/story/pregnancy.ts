import { ageAt, DAY } from "../calendar.js";
import type { Chart } from "../chart.js";
import type { ConditionFact } from "../fact.js";
import { detailStart } from "../person.js";
import type { Random } from "../random.js";
import { FINDING, PANEL, VITAL } from "../table/analyte.js";
import { PROGRAM } from "../table/care-program.js";
import { CONDITION } from "../table/chronic.js";
import { DRUG } from "../table/drug.js";
import { EACH_PRENATAL, FIRST_PRENATAL, PROCEDURE } from "../table/procedure.js";
import { VISIT } from "../table/visit.js";
import { hemoglobinA1c } from "./diabetes.js";
import { diagnose } from "./diagnose.js";
import { observe, test, testPanel } from "./measure.js";
import { perform, planCare, prescribe } from "./treat.js";
import { bloodPressure, bodyMeasures } from "./vital-signs.js";

/** A pregnancy lasts 280 days from the last period. */
const TERM = 280;

function prenatalVisit(chart: Chart, random: Random, at: number, pregnancy: ConditionFact): void {
  const encounter = chart.visit(VISIT.prenatal, chart.appointment(random, at), pregnancy.code.snomed);
  for (const { code, cents } of EACH_PRENATAL)
    perform(chart, random, encounter, code, cents, { reason: pregnancy });
  if (random.chance(0.6)) bloodPressure(chart, random, encounter);
  if (random.chance(0.5)) bodyMeasures(chart, random, encounter, false);
}

/** Gestational diabetes: found at mid-term, gone at birth. It is a near miss of type 2 diabetes. */
function gestational(chart: Chart, random: Random, conceived: number): void {
  const at = conceived + 180 * DAY;
  if (at > chart.end - 5 * DAY) return;
  const encounter = chart.visit(VISIT.prenatal, chart.appointment(random, at), CONDITION.gestational.snomed);
  diagnose(chart, random, CONDITION.gestational, encounter, {
    abatedAt: conceived + (TERM + 20) * DAY,
    codings: "both",
    verification: "confirmed",
  });
  hemoglobinA1c(chart, random, encounter, random.between(5.6, 6.6), { millimoles: false, certain: false });
  if (chart.diabetes === "none") chart.diabetes = "gestational";
}

function giveBirth(chart: Chart, random: Random, at: number, pregnancy: ConditionFact): void {
  const encounter = chart.visit(VISIT.delivery, chart.appointment(random, at, true), pregnancy.code.snomed);
  const birth = random.chance(0.28) ? PROCEDURE.cesarean : PROCEDURE.birth;
  perform(chart, random, encounter, birth.code, birth.cents, { reason: pregnancy, minutes: birth.minutes });
  if (birth === PROCEDURE.birth && random.chance(0.3)) {
    perform(chart, random, encounter, PROCEDURE.episiotomy.code, PROCEDURE.episiotomy.cents, {
      reason: pregnancy,
      minutes: 20,
    });
  }
  const later = at + 42 * DAY;
  if (later > chart.end - 3 * DAY) return;
  const visit = chart.visit(VISIT.postnatal, chart.appointment(random, later));
  perform(chart, random, visit, PROCEDURE.postnatalExam.code, PROCEDURE.postnatalExam.cents);
  if (random.chance(0.4)) prescribe(chart, random, visit, DRUG.intrauterineDevice, undefined, false);
}

function tellOne(chart: Chart, random: Random, conceived: number): void {
  const miscarries = random.chance(0.15);
  const end = conceived + (miscarries ? 75 : TERM) * DAY;
  const first = chart.visit(
    VISIT.prenatalFirst,
    chart.appointment(random, conceived + 56 * DAY),
    CONDITION.pregnancy.snomed,
  );
  const pregnancy = diagnose(chart, random, CONDITION.pregnancy, first, { abatedAt: end });
  for (const { code, cents } of FIRST_PRENATAL) {
    if (random.chance(0.75)) perform(chart, random, first, code, cents, { reason: pregnancy });
  }
  test(chart, random, first, FINDING.bloodGroup);
  observe(chart, random, first, FINDING.lastPeriod, { kind: "moment", at: conceived });
  if (random.chance(0.4)) testPanel(chart, random, first, PANEL.bloodCount);
  if (random.chance(0.3)) test(chart, random, first, VITAL.temperature);
  if (miscarries) {
    if (end < chart.end - DAY) {
      diagnose(
        chart,
        random,
        CONDITION.miscarriage,
        chart.visit(VISIT.emergency, chart.appointment(random, end, true)),
        { abatedAt: end + 14 * DAY },
      );
    }
    return;
  }
  planCare(chart, first, PROGRAM.antenatal, pregnancy, TERM - 56);
  for (let day = 90; day < TERM; day += day < 200 ? 30 : 18) {
    const at = conceived + day * DAY;
    if (at < chart.end - 2 * DAY && random.chance(0.85)) prenatalVisit(chart, random, at, pregnancy);
  }
  if (random.chance(0.2)) gestational(chart, random, conceived);
  if (end < chart.end - 2 * DAY) giveBirth(chart, random, end, pregnancy);
}

/** Tells pregnancies of the detailed years, and contraception between them. */
export function tellPregnancies(chart: Chart): void {
  if (chart.person.sex !== "female") return;
  const random = chart.stream("pregnancy");
  const from = detailStart(chart.person);
  for (
    let at = from + random.uniform() * 365 * DAY;
    at < chart.end - 70 * DAY;
    at += random.between(300, 430) * DAY
  ) {
    const age = ageAt(chart.person.birthDay, at);
    const chance = age < 18 || age > 43 ? 0 : age < 24 ? 0.08 : age < 35 ? 0.14 : 0.06;
    if (random.chance(chance)) {
      tellOne(chart, random, Math.floor(at));
      at += 500 * DAY;
    } else if (age >= 17 && age <= 45 && random.chance(0.1 * chart.density)) {
      const encounter = chart.visit(VISIT.checkUp, chart.appointment(random, Math.floor(at)));
      prescribe(
        chart,
        random,
        encounter,
        random.pick([DRUG.contraceptivePack, DRUG.contraceptivePill]),
        undefined,
        true,
      );
    }
  }
}
