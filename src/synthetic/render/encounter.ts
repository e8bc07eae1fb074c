import { dateTimeText } from "../calendar.js";
import type { Chart } from "../chart.js";
import type { EncounterFact } from "../fact.js";
import { periodJson, referenceJson } from "../json-text.js";
import { displayName } from "./patient.js";
import { head, type RenderOptions } from "./resource.js";

const PERFORMER =
  '{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationType","code":"PPRF","display":"primary performer"}],"text":"primary performer"}';
const CLASS_DISPLAY = {
  AMB: "ambulatory",
  EMER: "emergency",
  IMP: "inpatient encounter",
  VR: "virtual",
} as const;

/** The reference to the patient of a chart. */
export function subject(chart: Chart): string {
  return `{"reference":"Patient/${chart.patient.id}"}`;
}

/** The Practitioner of an encounter, as a Reference with display. */
export function practitionerOf(chart: Chart, encounter: EncounterFact): string {
  const practitioner = chart.facilities.sites[encounter.site]!.practitioners[encounter.practitioner]!;
  return referenceJson("Practitioner", practitioner.id, practitioner.display);
}

/** The Organization of an encounter, as a Reference with display. */
export function organizationOf(chart: Chart, encounter: EncounterFact): string {
  const site = chart.facilities.sites[encounter.site]!;
  return referenceJson("Organization", site.organizationId, site.name);
}

/** The Encounter resource. */
export function encounterText(chart: Chart, fact: EncounterFact, options: RenderOptions): string {
  const { kind, type, reason, disposition } = fact;
  const period = periodJson(dateTimeText(fact.start), dateTimeText(fact.end));
  const site = chart.facilities.sites[fact.site]!;
  const display = fact.site % 2 === 0 ? `,"display":"${CLASS_DISPLAY[kind.classCode]}"` : "";
  const reasonCode = reason === undefined ? "" : `,"reasonCode":[{"coding":[${reason.coding}]}]`;
  const stay =
    disposition === undefined ? "" : `,"hospitalization":{"dischargeDisposition":${disposition.concept}}`;
  return (
    `${head("Encounter", fact, options, "encounter")},"identifier":[{"use":"official","system":"http://hospital.example.org/visit",` +
    `"value":"${fact.id}"}],"status":"${fact.status}",` +
    `"class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"${kind.classCode}"${display}},` +
    `"type":[${type.concept}],"subject":${referenceJson("Patient", chart.patient.id, displayName(chart.person))},` +
    `"participant":[{"type":[${PERFORMER}],"period":${period},"individual":${practitionerOf(chart, fact)}}],` +
    `"period":${period}${reasonCode}${stay},` +
    `"location":[{"location":${referenceJson("Location", site.locationId, site.name)}}],` +
    `"serviceProvider":${organizationOf(chart, fact)}}`
  );
}
