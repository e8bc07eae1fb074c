import { ageAt, DAY, momentOf } from "../calendar.js";
import type { Chart } from "../chart.js";
import { detailStart } from "../person.js";
import type { Random } from "../random.js";
import { ACUTE, type AcuteIllness } from "../table/acute.js";
import { PANEL, VITAL } from "../table/analyte.js";
import { OUTPATIENT } from "../table/procedure.js";
import { VISIT } from "../table/visit.js";
import { diagnose } from "./diagnose.js";
import { test, testPanel } from "./measure.js";
import { perform, planCare, prescribe } from "./treat.js";

/** One illness: the visit, the condition with its end, drugs, procedures, care plan and perhaps a visit afterwards. */
export function fallIll(chart: Chart, random: Random, day: number, illness: AcuteIllness): void {
  const anyHour = illness.visit.classCode === "EMER" || illness.visit.place !== "clinic";
  const at = chart.appointment(random, day, anyHour);
  const encounter = chart.visit(illness.visit, at, random.chance(0.55) ? illness.code.snomed : undefined);
  const [shortest, longest] = illness.days;
  const days = random.whole(shortest, longest);
  const condition = diagnose(chart, random, illness.code, encounter, { abatedAt: at + days * DAY });
  if (illness.fever) test(chart, random, encounter, VITAL.temperature);
  for (const drug of illness.drugs)
    if (random.chance(0.8)) prescribe(chart, random, encounter, drug, condition, false);
  for (const code of illness.procedures) {
    if (random.chance(0.9))
      perform(chart, random, encounter, code, random.whole(6_000, 60_000), {
        reason: condition,
        minutes: 30,
      });
  }
  if (illness.program !== undefined && random.chance(0.7))
    planCare(chart, encounter, illness.program, condition, days);
  if (illness.visit.classCode === "IMP") testPanel(chart, random, encounter, PANEL.bloodCount);
  const later = at + (days + 3) * DAY;
  if (illness.followUp && later < chart.end - DAY) {
    const kind = illness.visit === VISIT.surgery ? VISIT.postoperative : VISIT.followUp;
    chart.visit(kind, chart.appointment(random, later), illness.code.snomed);
  }
}

/** A visit that came to nothing: cancelled, or filed under the wrong patient. */
function strayVisit(chart: Chart, random: Random, at: number): void {
  const encounter = chart.visit(VISIT.symptom, chart.appointment(random, at));
  encounter.status = random.chance(0.6) ? "cancelled" : "entered-in-error";
  chart.amend(encounter, encounter.end);
}

/** A visit about nothing in particular, and small jobs in the outpatient department. */
function smallVisit(chart: Chart, random: Random, at: number): void {
  const kind = random.pick([
    VISIT.outpatient,
    VISIT.procedure,
    VISIT.checkUp,
    VISIT.consultation,
    VISIT.urgentCare,
  ]);
  const encounter = chart.visit(kind, chart.appointment(random, at));
  for (let i = random.whole(0, 2); i > 0; i--) {
    const { code, cents, minutes } = random.pick(OUTPATIENT);
    perform(chart, random, encounter, code, cents, { minutes });
  }
  if (random.chance(0.25)) test(chart, random, encounter, VITAL.pain);
  if (random.chance(0.12)) testPanel(chart, random, encounter, PANEL.basic);
}

/** Draws an illness that fits the age at the time. */
export function illnessAt(chart: Chart, random: Random, at: number): AcuteIllness {
  return random.choose(ageAt(chart.person.birthDay, at) < 16 ? ACUTE.child : ACUTE.adult);
}

/** Tells illnesses and injuries: at full rate in the detailed years, in outline before. */
export function tellAcute(chart: Chart): void {
  const random = chart.stream("acute");
  const born = momentOf(chart.person.birthDay, 43_200) + 30 * DAY;
  const detail = Math.max(detailStart(chart.person), born);
  const last = chart.end - 2 * DAY;
  const years = Math.max(0, (last - detail) / (365.25 * DAY));
  const rate = 0.42 * chart.person.utilization * chart.density;
  const before = Math.max(0, (detail - born) / (365.25 * DAY));
  const olderCount = random.poisson(Math.min(12, before * 0.085 * chart.density));
  for (let i = 0; i < olderCount; i++) {
    const at = Math.floor(random.between(born, detail));
    fallIll(chart, random, at, illnessAt(chart, random, at));
  }
  const count = random.poisson(Math.min(30, years * rate));
  for (let i = 0; i < count; i++) {
    const at = Math.floor(random.between(detail, last));
    fallIll(chart, random, at, illnessAt(chart, random, at));
  }
  const small = random.poisson(Math.min(30, years * rate * 1.1));
  for (let i = 0; i < small; i++) smallVisit(chart, random, Math.floor(random.between(detail, last)));
  if (years > 0 && random.chance(0.1)) strayVisit(chart, random, Math.floor(random.between(detail, last)));
}
