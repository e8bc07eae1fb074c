import { DAY, momentOf } from "../calendar.js";
import type { Chart } from "../chart.js";
import { detailStart } from "../person.js";
import { PANEL, VITAL } from "../table/analyte.js";
import { DISPOSITION, VISIT } from "../table/visit.js";
import { observe, testPanel, testValue } from "./measure.js";

/** Vital signs that a monitor sends every hour. */
const MONITORED = [VITAL.heartRate, VITAL.respiration, VITAL.saturation, VITAL.temperature];

/**
 * Tells a stay in intensive care, for one person in 250: days of hourly readings, so that one encounter has many hundred
 * observations, as in hospital systems.
 */
export function tellIntensiveCare(chart: Chart): void {
  const random = chart.stream("intensive-care");
  const days = random.whole(3, 14);
  const at = chart.end - random.whole(30, 2400) * DAY;
  if (!random.chance(0.004) || at < detailStart(chart.person)) return;
  const encounter = chart.visit(VISIT.intensive, at);
  const last = Math.min(at + days * DAY, chart.end);
  for (let hour = at; hour < last; hour += 3600) {
    for (const analyte of MONITORED) {
      observe(chart, random, encounter, analyte, testValue(chart, random, analyte, hour), { at: hour });
    }
  }
  testPanel(chart, random, encounter, PANEL.comprehensive);
}

/** Tells the hospital stay in which about half of those who died did so. */
export function tellLastStay(chart: Chart): void {
  const { death, birthDay } = chart.person;
  if (death === undefined) return;
  const random = chart.stream("death");
  const start = death - random.whole(6, 200) * 3600;
  if (!random.chance(0.5) || start < momentOf(birthDay, 43_200)) return;
  const encounter = chart.visit(VISIT.inpatient, start, undefined, DISPOSITION.expired);
  testPanel(chart, random, encounter, PANEL.basic);
  testPanel(chart, random, encounter, PANEL.bloodCount);
}
