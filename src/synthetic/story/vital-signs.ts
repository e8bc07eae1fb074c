import { DAY } from "../calendar.js";
import type { Chart } from "../chart.js";
import type { EncounterFact, ObservationFact } from "../fact.js";
import { bodyAt } from "../person.js";
import type { Random } from "../random.js";
import { FINDING, VITAL } from "../table/analyte.js";
import { SMOKING } from "../table/finding-value.js";
import { measured, observe, test } from "./measure.js";

/** What a person says about smoking: children have never smoked. */
export function smokerAt(chart: Chart, at: number): Chart["person"]["smoker"] {
  return ageYears(chart, at) < 16 ? "never" : chart.person.smoker;
}

function ageYears(chart: Chart, at: number): number {
  return Math.max(0, (at / DAY - chart.person.birthDay) / 365.2425);
}

/**
 * Adds a blood pressure with its two components. The level follows age, the person and whether their hypertension is
 * treated; a few readings lack the diastolic value.
 */
export function bloodPressure(
  chart: Chart,
  random: Random,
  encounter: EncounterFact,
  options: { readonly certain?: boolean; readonly raisedBy?: number } = {},
): ObservationFact {
  const age = ageYears(chart, encounter.start);
  const grown = Math.min(1, 0.78 + age / 80);
  const raised = options.raisedBy ?? 0;
  const systolic = chart.person.systolic * grown + Math.max(0, age - 40) * 0.3 + raised + random.normal(0, 6);
  const diastolic =
    chart.person.diastolic * grown + Math.max(0, age - 40) * 0.08 + raised * 0.55 + random.normal(0, 4);
  const high = Math.round(Math.max(70, systolic));
  const low = Math.min(high - 15, Math.round(Math.max(38, diastolic)));
  const lacksDiastolic = options.certain !== true && random.chance(0.006);
  return observe(
    chart,
    random,
    encounter,
    VITAL.bloodPressure,
    {
      kind: "components",
      parts: [
        {
          analyte: VITAL.diastolic,
          value: lacksDiastolic ? { kind: "absent", reason: "unknown" } : measured(VITAL.diastolic, low),
        },
        { analyte: VITAL.systolic, value: measured(VITAL.systolic, high) },
      ],
    },
    { certain: options.certain ?? false },
  );
}

/** Adds weight and, when `withHeight`, height and what follows from them for the person's age. */
export function bodyMeasures(
  chart: Chart,
  random: Random,
  encounter: EncounterFact,
  withHeight: boolean,
): void {
  const age = ageYears(chart, encounter.start);
  const body = bodyAt(chart.person, age);
  const weight = body.weight * (1 + random.normal(0, 0.02));
  if (withHeight) observe(chart, random, encounter, VITAL.height, measured(VITAL.height, body.height));
  observe(chart, random, encounter, VITAL.weight, measured(VITAL.weight, weight));
  if (!withHeight) return;
  if (age >= 2) {
    const bodyMass = (weight * 10_000) / (body.height * body.height);
    observe(chart, random, encounter, VITAL.bodyMass, measured(VITAL.bodyMass, bodyMass));
  }
  if (age >= 2 && age < 20) test(chart, random, encounter, VITAL.bodyMassPercentile);
  if (age < 3) {
    observe(
      chart,
      random,
      encounter,
      VITAL.head,
      measured(VITAL.head, 35 + 13 * Math.min(1, age / 2.5) + random.normal(0, 1)),
    );
    test(chart, random, encounter, VITAL.weightForLength);
  }
}

/** Adds the vital signs of a general examination: eight observations for an adult. */
export function vitalSigns(chart: Chart, random: Random, encounter: EncounterFact, raisedBy: number): void {
  bodyMeasures(chart, random, encounter, true);
  test(chart, random, encounter, VITAL.pain);
  bloodPressure(chart, random, encounter, { raisedBy });
  const young = Math.max(0, 12 - ageYears(chart, encounter.start));
  const rate = chart.usual(VITAL.heartRate, encounter.start) + young * 3 + random.normal(0, 7);
  observe(chart, random, encounter, VITAL.heartRate, measured(VITAL.heartRate, rate));
  const breaths = chart.usual(VITAL.respiration, encounter.start) + young + random.normal(0, 1);
  observe(chart, random, encounter, VITAL.respiration, measured(VITAL.respiration, breaths));
  observe(chart, random, encounter, FINDING.tobacco, {
    kind: "concept",
    code: SMOKING[smokerAt(chart, encounter.start)],
  });
}
