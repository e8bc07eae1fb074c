import { dateText, dateTimeText, localDay } from "../calendar.js";
import type { Chart } from "../chart.js";
import { bareConcept, SYSTEM } from "../code.js";
import type { AllergyFact, Dosage, ImmunizationFact, MedicationFact, ProcedureFact } from "../fact.js";
import { jsonString, periodJson, referenceJson } from "../json-text.js";
import { practitionerOf, subject } from "./encounter.js";
import { head, type RenderOptions } from "./resource.js";

const ORDERED =
  '{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/dose-rate-type","code":"ordered","display":"Ordered"}]}';
const COMMUNITY =
  '{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/medicationrequest-category","code":"community","display":"Community"}],"text":"Community"}';

function dosage(fact: Dosage): string {
  const text = fact.text === undefined ? "" : `"text":${jsonString(fact.text)},`;
  const repeat = `{"frequency":${fact.frequency},"period":${fact.period},"periodUnit":"${fact.periodUnit}"}`;
  const dose = `{"value":${fact.dose},"unit":"${fact.doseUnit}","system":"${SYSTEM.ucum}","code":"${fact.doseCode}"}`;
  return (
    `{"sequence":1,${text}"timing":{"repeat":${repeat}},"asNeededBoolean":${fact.asNeeded},` +
    `"doseAndRate":[{"type":${ORDERED},"doseQuantity":${dose}}]}`
  );
}

/** The MedicationRequest resource. */
export function medicationText(chart: Chart, fact: MedicationFact, options: RenderOptions): string {
  const { drug, reason } = fact;
  // Sites show one of two wordings of the same RxNorm code.
  const code =
    drug.otherDisplay !== undefined && fact.encounter.site % 5 === 1 ? drug.otherDisplay : drug.code;
  const contained = fact.contained
    ? `,"contained":[{"resourceType":"Medication","id":"med","code":${code.concept},"form":{"text":"${drug.form}"}}]`
    : "";
  const medication = fact.contained
    ? `"medicationReference":{"reference":"#med"}`
    : `"medicationCodeableConcept":${code.concept}`;
  const why =
    reason === undefined
      ? ""
      : `,"reasonReference":[${referenceJson("Condition", reason.id, reason.code.snomed.display)}]`;
  const instruction = fact.dosage === undefined ? "" : `,"dosageInstruction":[${dosage(fact.dosage)}]`;
  return (
    `${head("MedicationRequest", fact, options, "medicationrequest")}${contained},"status":"${fact.status}","intent":"order",` +
    `"category":[${COMMUNITY}],${medication},"subject":${subject(chart)},` +
    `"encounter":{"reference":"Encounter/${fact.encounter.id}"},"authoredOn":"${dateTimeText(fact.authoredAt)}",` +
    `"requester":${practitionerOf(chart, fact.encounter)}${why}${instruction}}`
  );
}

/** The Procedure resource. */
export function procedureText(chart: Chart, fact: ProcedureFact, options: RenderOptions): string {
  const { reason } = fact;
  const why =
    reason === undefined
      ? ""
      : `,"reasonReference":[${referenceJson("Condition", reason.id, reason.code.snomed.display)}]`;
  return (
    `${head("Procedure", fact, options, "procedure")},"status":"${fact.status}","code":${fact.code.concept},` +
    `"subject":${subject(chart)},"encounter":{"reference":"Encounter/${fact.encounter.id}"},` +
    `"performedPeriod":${periodJson(dateTimeText(fact.start), dateTimeText(fact.end))}${why}}`
  );
}

/** The Immunization resource. */
export function immunizationText(chart: Chart, fact: ImmunizationFact, options: RenderOptions): string {
  const { vaccine, lot } = fact;
  const refused =
    fact.status === "not-done"
      ? `,"statusReason":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"PATOBJ","display":"patient objection"}]}`
      : "";
  const lotNumber = lot === undefined || fact.status === "not-done" ? "" : `,"lotNumber":"${lot}"`;
  return (
    `${head("Immunization", fact, options, "immunization")},"status":"${fact.status}"${refused},"vaccineCode":${vaccine.concept},` +
    `"patient":${subject(chart)},"encounter":{"reference":"Encounter/${fact.encounter.id}"},` +
    `"occurrenceDateTime":"${dateTimeText(fact.at)}","primarySource":true${lotNumber}}`
  );
}

/** The AllergyIntolerance resource. */
export function allergyText(chart: Chart, fact: AllergyFact, options: RenderOptions): string {
  const { reaction } = fact;
  const clinical = bareConcept(
    "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
    fact.clinical,
  );
  const verification = bareConcept(
    "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification",
    fact.verification,
  );
  const reactions =
    reaction === undefined
      ? ""
      : `,"reaction":[{"manifestation":[${reaction.concept}],"severity":"moderate"}]`;
  return (
    `${head("AllergyIntolerance", fact, options, "allergyintolerance")},"clinicalStatus":${clinical},` +
    `"verificationStatus":${verification},"type":"allergy","category":["${fact.category}"],"criticality":"${fact.criticality}",` +
    `"code":${fact.code.concept},"patient":${subject(chart)},` +
    `"recordedDate":"${fact.criticality === "unable-to-assess" ? dateText(localDay(fact.recordedAt)) : dateTimeText(fact.recordedAt)}"${reactions}}`
  );
}
