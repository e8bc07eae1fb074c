import { dateTimeText, instantText } from "../calendar.js";
import type { Chart } from "../chart.js";
import { code, snomed } from "../code.js";
import type { CarePlanFact, DocumentFact } from "../fact.js";
import { jsonString, periodJson, referenceJson } from "../json-text.js";
import { organizationOf, practitionerOf, subject } from "./encounter.js";
import { displayName } from "./patient.js";
import { head, type RenderOptions } from "./resource.js";

const ROLE_PATIENT = snomed("116153009", "Patient").concept;
const ROLE_PROFESSIONAL = snomed("223366009", "Healthcare professional (occupation)").concept;
const ROLE_SERVICE = snomed("224891009", "Healthcare services (qualifier value)").concept;

function period(fact: CarePlanFact): string {
  return periodJson(dateTimeText(fact.start), fact.end === undefined ? undefined : dateTimeText(fact.end));
}

/** The CarePlan resource. */
export function carePlanText(chart: Chart, fact: CarePlanFact, options: RenderOptions): string {
  const { program, condition, end } = fact;
  const items = program.activities.map(({ display }) => `<li>${display}</li>`).join("");
  const div = `<div xmlns="http://www.w3.org/1999/xhtml">Care Plan for ${program.category.display}.<br/>Activities: <ul>${items}</ul></div>`;
  const addresses = condition === undefined ? "" : `"addresses":[{"reference":"Condition/${condition.id}"}],`;
  const place = jsonString(chart.facilities.sites[fact.encounter.site]!.name);
  const status = end === undefined ? "in-progress" : "completed";
  const activities = program.activities.map(
    ({ concept }) => `{"detail":{"code":${concept},"status":"${status}","location":{"display":${place}}}}`,
  );
  return (
    `${head("CarePlan", fact, options, "careplan")},"text":{"status":"generated","div":${JSON.stringify(div)}},` +
    `"status":"${end === undefined ? "active" : "completed"}","intent":"order","category":[${program.category.concept}],` +
    `"subject":${subject(chart)},"encounter":{"reference":"Encounter/${fact.encounter.id}"},"period":${period(fact)},` +
    `"careTeam":[{"reference":"CareTeam/${fact.team.id}"}],${addresses}"activity":[${activities.join(",")}]}`
  );
}

/** The CareTeam resource that goes with a CarePlan. */
export function careTeamText(chart: Chart, fact: CarePlanFact, options: RenderOptions): string {
  const member = (role: string, reference: string) => `{"role":[${role}],"member":${reference}}`;
  const organization = organizationOf(chart, fact.encounter);
  return (
    `${head("CareTeam", fact.team, options, "careteam")},"status":"${fact.end === undefined ? "active" : "inactive"}",` +
    `"subject":${subject(chart)},"encounter":{"reference":"Encounter/${fact.encounter.id}"},"period":${period(fact)},` +
    `"participant":[${member(ROLE_PATIENT, referenceJson("Patient", chart.patient.id, displayName(chart.person)))},` +
    `${member(ROLE_PROFESSIONAL, practitionerOf(chart, fact.encounter))},${member(ROLE_SERVICE, organization)}],` +
    `"managingOrganization":[${organization}]}`
  );
}

const CLINICAL_NOTE = code(
  "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
  "clinical-note",
  "Clinical Note",
);
const FORMAT = code(
  "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
  "urn:ihe:iti:xds:2017:mimeTypeSufficient",
  "mimeType Sufficient",
);

/** The DocumentReference resource, its note inline as base64. */
export function documentText(chart: Chart, fact: DocumentFact, options: RenderOptions): string {
  const data = Buffer.from(fact.note, "utf8").toString("base64");
  const { encounter } = fact;
  const period = periodJson(dateTimeText(encounter.start), dateTimeText(encounter.end));
  return (
    `${head("DocumentReference", fact, options, "documentreference")},` +
    `"identifier":[{"system":"urn:ietf:rfc:3986","value":"urn:uuid:${fact.id}"}],` +
    `"status":"${fact.status}","type":{"coding":[${fact.type.coding}]},` +
    `"category":[{"coding":[${CLINICAL_NOTE.coding}]}],` +
    `"subject":${subject(chart)},"date":"${instantText(fact.atMs)}","author":[${practitionerOf(chart, encounter)}],` +
    `"custodian":${organizationOf(chart, encounter)},` +
    `"content":[{"attachment":{"contentType":"text/plain; charset=utf-8","data":"${data}"},` +
    `"format":${FORMAT.coding}}],` +
    `"context":{"encounter":[{"reference":"Encounter/${encounter.id}"}],"period":${period}}}`
  );
}
