import type { Chart } from "../chart.js";
import type { Fact } from "../fact.js";
import { carePlanText, careTeamText, documentText } from "./care.js";
import { benefitText, claimText, coverageText } from "./claim.js";
import { conditionText, familyHistoryText } from "./condition.js";
import { encounterText } from "./encounter.js";
import { deviceText, imagingText } from "./imaging.js";
import { observationText, reportText } from "./observation.js";
import { duplicateText, patientText } from "./patient.js";
import type { RenderOptions, ResourceText } from "./resource.js";
import { allergyText, immunizationText, medicationText, procedureText } from "./treatment.js";

/** Writes one kind of fact of a chart; `wanted` chooses which. */
function write<T extends Fact>(
  into: ResourceText[],
  type: string,
  facts: readonly T[],
  wanted: (fact: Fact) => boolean,
  render: (chart: Chart, fact: T, options: RenderOptions) => string,
  chart: Chart,
  options: RenderOptions,
): void {
  for (const fact of facts) {
    if (wanted(fact)) into.push({ type, id: fact.id, text: render(chart, fact, options) });
  }
}

function writeCompanions(
  into: ResourceText[],
  chart: Chart,
  wanted: (fact: Fact) => boolean,
  options: RenderOptions,
): void {
  for (const plan of chart.carePlans) {
    if (wanted(plan.team))
      into.push({ type: "CareTeam", id: plan.team.id, text: careTeamText(chart, plan, options) });
  }
  for (const claim of chart.claims) {
    const { benefit } = claim;
    if (benefit === undefined || !wanted(benefit)) continue;
    into.push({
      type: "ExplanationOfBenefit",
      id: benefit.id,
      text: benefitText(chart, claim, benefit, options),
    });
  }
}

/** The resources of a chart, type by type, the Patient first; only those for which `wanted` holds. */
export function chartTexts(
  chart: Chart,
  options: RenderOptions,
  wanted: (fact: Fact) => boolean = () => true,
): ResourceText[] {
  const into: ResourceText[] = [];
  const { patient } = chart;
  if (wanted(patient)) into.push({ type: "Patient", id: patient.id, text: patientText(chart, options) });
  const { duplicate } = patient;
  if (duplicate !== undefined && wanted(duplicate)) {
    into.push({ type: "Patient", id: duplicate.id, text: duplicateText(chart, duplicate, options) });
  }
  write(into, "Coverage", chart.coverages, wanted, coverageText, chart, options);
  write(into, "Encounter", chart.encounters, wanted, encounterText, chart, options);
  write(into, "Condition", chart.conditions, wanted, conditionText, chart, options);
  write(into, "FamilyMemberHistory", chart.familyHistory, wanted, familyHistoryText, chart, options);
  write(into, "AllergyIntolerance", chart.allergies, wanted, allergyText, chart, options);
  write(into, "Observation", chart.observations, wanted, observationText, chart, options);
  write(into, "DiagnosticReport", chart.reports, wanted, reportText, chart, options);
  write(into, "MedicationRequest", chart.medications, wanted, medicationText, chart, options);
  write(into, "Procedure", chart.procedures, wanted, procedureText, chart, options);
  write(into, "ImagingStudy", chart.images, wanted, imagingText, chart, options);
  write(into, "Device", chart.devices, wanted, deviceText, chart, options);
  write(into, "Immunization", chart.immunizations, wanted, immunizationText, chart, options);
  write(into, "CarePlan", chart.carePlans, wanted, carePlanText, chart, options);
  write(into, "DocumentReference", chart.documents, wanted, documentText, chart, options);
  write(into, "Claim", chart.claims, wanted, claimText, chart, options);
  writeCompanions(into, chart, wanted, options);
  return into;
}
