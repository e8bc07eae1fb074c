import { code } from "../code.js";
import { GO_LIVE } from "../era.js";
import type { Facilities, Practitioner, Site } from "../facility.js";
import type { Fact } from "../fact.js";
import { jsonString, referenceJson } from "../json-text.js";
import { PAYERS } from "../table/payer.js";
import { head, type RenderOptions, type ResourceText } from "./resource.js";

const ORGANIZATION_TYPES = "http://terminology.hl7.org/CodeSystem/organization-type";
const PROVIDER = code(ORGANIZATION_TYPES, "prov", "Healthcare Provider");
const PAYER = code(ORGANIZATION_TYPES, "pay", "Payer");
const GENERAL_PRACTICE = code(
  "http://nucc.org/provider-taxonomy",
  "208D00000X",
  "General Practice Physician",
);

function fact(id: string): Fact {
  return { id, version: 1, updatedAtMs: GO_LIVE * 1000 + 2_718 };
}

function address(site: Site): string {
  return `{"line":[${jsonString(site.street)}],"city":"${site.place.city}","state":"MA","postalCode":"${site.place.postalCode}","country":"US"}`;
}

function organizationText(site: Site, options: RenderOptions): string {
  const id = site.organizationId;
  return (
    `${head("Organization", fact(id), options, "organization")},"identifier":[{"system":"http://hospital.example.org/organization","value":"${id}"}],` +
    `"active":true,"type":[${PROVIDER.concept}],` +
    `"name":${jsonString(site.name)},"telecom":[{"system":"phone","value":"${site.phone}"}],"address":[${address(site)}]}`
  );
}

function locationText(site: Site, options: RenderOptions): string {
  const { latitude, longitude } = site.place;
  return (
    `${head("Location", fact(site.locationId), options, "location")},"status":"active","name":${jsonString(site.name)},` +
    `"telecom":[{"system":"phone","value":"${site.phone}"}],"address":${address(site)},` +
    `"position":{"longitude":${longitude.toFixed(6)},"latitude":${latitude.toFixed(6)}},` +
    `"managingOrganization":${referenceJson("Organization", site.organizationId, site.name)}}`
  );
}

function practitionerText(site: Site, practitioner: Practitioner, options: RenderOptions): string {
  const { id, npi, given, family } = practitioner;
  const email = `${given}.${family}`.normalize("NFD").replace(/[^A-Za-z0-9.]/g, "");
  return (
    `${head("Practitioner", fact(id), options, "practitioner")},"identifier":[{"system":"http://hl7.org/fhir/sid/us-npi","value":"${npi}"}],` +
    `"active":true,"name":[{"family":${jsonString(family)},"given":[${jsonString(given)}],"prefix":["Dr."]}],` +
    `"telecom":[{"extension":[{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-direct","valueBoolean":true}],` +
    `"system":"email","value":"${email}@example.com","use":"work"}],"address":[${address(site)}],` +
    `"gender":"${practitioner.female ? "female" : "male"}"}`
  );
}

function roleText(site: Site, practitioner: Practitioner, options: RenderOptions): string {
  const specialty = GENERAL_PRACTICE.concept;
  return (
    `${head("PractitionerRole", fact(practitioner.roleId), options, "practitionerrole")},` +
    `"practitioner":${referenceJson("Practitioner", practitioner.id, practitioner.display)},` +
    `"organization":${referenceJson("Organization", site.organizationId, site.name)},"code":[${specialty}],"specialty":[${specialty}],` +
    `"location":[${referenceJson("Location", site.locationId, site.name)}],"telecom":[{"system":"phone","value":"${site.phone}"}]}`
  );
}

function payerText(id: string, name: string, options: RenderOptions): string {
  return `${head("Organization", fact(id), options, "organization")},"active":true,"type":[${PAYER.concept}],"name":"${name}"}`;
}

/** The resources that patients share: organizations, locations, practitioners and their roles. */
export function* facilityTexts(facilities: Facilities, options: RenderOptions): Generator<ResourceText> {
  for (const [i, id] of facilities.payerIds.entries()) {
    yield { type: "Organization", id, text: payerText(id, PAYERS[i]!.name, options) };
  }
  for (const site of facilities.sites) {
    yield { type: "Organization", id: site.organizationId, text: organizationText(site, options) };
    yield { type: "Location", id: site.locationId, text: locationText(site, options) };
    for (const practitioner of site.practitioners) {
      yield {
        type: "Practitioner",
        id: practitioner.id,
        text: practitionerText(site, practitioner, options),
      };
      yield {
        type: "PractitionerRole",
        id: practitioner.roleId,
        text: roleText(site, practitioner, options),
      };
    }
  }
}
