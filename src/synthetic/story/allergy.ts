import { DAY, momentOf } from "../calendar.js";
import type { Chart } from "../chart.js";
import { ALLERGEN, REACTION } from "../table/allergen.js";
import { DRUG } from "../table/drug.js";
import { VISIT } from "../table/visit.js";
import { prescribe } from "./treat.js";

/** Tells allergies: about one person in eleven has some, mostly since childhood. */
export function tellAllergies(chart: Chart): void {
  const random = chart.stream("allergy");
  if (!random.chance(0.09)) return;
  const born = momentOf(chart.person.birthDay, 43_200);
  const recordedAt = Math.floor(born + (chart.end - born) * random.between(0.05, 0.5));
  const count = random.whole(1, 6);
  const seen = new Set<string>();
  for (let i = 0; i < count; i++) {
    const { code, category } = random.choose(ALLERGEN);
    if (seen.has(code.code)) continue;
    seen.add(code.code);
    chart.allergies.push({
      ...chart.newFact(recordedAt),
      code,
      category,
      criticality: random.chance(0.7) ? "low" : random.chance(0.6) ? "high" : "unable-to-assess",
      recordedAt,
      reaction: random.chance(0.45) ? random.pick(REACTION) : undefined,
      clinical: random.chance(0.93) ? "active" : "resolved",
      verification: random.chance(0.92) ? "confirmed" : "unconfirmed",
    });
  }
  if (random.chance(0.25) && chart.end - recordedAt > 30 * DAY) {
    const encounter = chart.visit(VISIT.consultation, chart.appointment(random, recordedAt + 10 * DAY));
    prescribe(chart, random, encounter, DRUG.epinephrine, undefined, false);
  }
}
