import { Chart } from "../chart.js";
import { tellAcute } from "./acute.js";
import { tellAllergies } from "./allergy.js";
import { tellChronic } from "./chronic.js";
import { assignDiabetes, tellDiabetes } from "./diabetes.js";
import { tellIntensiveCare, tellLastStay } from "./hospital.js";
import { tellHypertension } from "./hypertension.js";
import { tellImaging } from "./imaging.js";
import { tellPaperwork } from "./paperwork.js";
import { tellPregnancies } from "./pregnancy.js";
import { tellWellness } from "./wellness.js";

/**
 * The chart of patient `index`: the same for the same seed and density, whatever the size of the population.
 * `density` scales how often people seek care (1 = about 320 resources per patient).
 * With `storedWithin` everything counts as stored within those hours, as for someone who is new in a batch.
 */
export function tellLife(
  seed: number,
  index: number,
  density: number,
  storedWithin?: Chart["storedWithin"],
): Chart {
  const chart = new Chart(seed, index, density, storedWithin);
  // Diabetes and hypertension come first, because they shift the values that later visits measure.
  assignDiabetes(chart);
  tellHypertension(chart);
  tellDiabetes(chart);
  tellChronic(chart);
  tellPregnancies(chart);
  tellWellness(chart);
  tellAcute(chart);
  tellAllergies(chart);
  tellIntensiveCare(chart);
  tellLastStay(chart);
  chart.encounters.sort((a, b) => a.start - b.start);
  tellImaging(chart, chart.stream("imaging"));
  tellPaperwork(chart, chart.stream("paperwork"));
  return chart;
}
