import type { DataContext } from "../context.js";
import { CLINICAL_PARAMETERS } from "../search/parameters.js";

/** R4 types that the server names although it may hold none of them yet. */
export const COMMON_TYPES: readonly string[] = [
  "AllergyIntolerance",
  "Appointment",
  "CarePlan",
  "CareTeam",
  "Claim",
  "Condition",
  "Coverage",
  "Device",
  "DiagnosticReport",
  "DocumentReference",
  "Encounter",
  "ExplanationOfBenefit",
  "Group",
  "Goal",
  "ImagingStudy",
  "Immunization",
  "Location",
  "Medication",
  "MedicationAdministration",
  "MedicationRequest",
  "MedicationStatement",
  "Observation",
  "Organization",
  "Patient",
  "Practitioner",
  "PractitionerRole",
  "Procedure",
  "Provenance",
  "QuestionnaireResponse",
  "RelatedPerson",
  "ServiceRequest",
  "Specimen",
  "SupplyDelivery",
];

const DEFINITION = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition";

/** The CapabilityStatement: says what the profile can do, as honest servers do. */
export function capabilityStatement(context: DataContext): string {
  const { profile } = context;
  const types = [...new Set([...COMMON_TYPES, ...context.store.types()])].sort();
  return JSON.stringify({
    resourceType: "CapabilityStatement",
    status: "active",
    date: new Date(context.clock.now()).toISOString(),
    kind: "instance",
    software: { name: "fhir-lake test server", version: "1" },
    implementation: { description: "A FHIR server for tests", url: context.base },
    fhirVersion: context.fhirVersion,
    format: ["application/fhir+json", "json"],
    ...(profile.export.levels.length === 0
      ? {}
      : { instantiates: ["http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"] }),
    rest: [
      {
        mode: "server",
        ...(context.secured ? { security: security(context) } : {}),
        resource: types.map((type) => resource(context, type)),
        interaction: [
          { code: "transaction" },
          { code: "batch" },
          { code: "search-system" },
          ...(profile.history.includes("system") ? [{ code: "history-system" }] : []),
        ],
        operation: profile.export.levels.includes("system")
          ? [{ name: "export", definition: `${DEFINITION}/export` }]
          : [],
      },
    ],
  });
}

function security(context: DataContext): unknown {
  const origin = new URL(context.base).origin;
  return {
    service: [
      {
        coding: [
          { system: "http://terminology.hl7.org/CodeSystem/restful-security-service", code: "SMART-on-FHIR" },
        ],
      },
    ],
    extension: [
      {
        url: "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
        extension: [{ url: "token", valueUri: `${origin}/auth/token` }],
      },
    ],
  };
}

function resource(context: DataContext, type: string): unknown {
  const { profile } = context;
  const codes = ["read", "create", "update", "delete", "search-type"];
  if (profile.vread) codes.push("vread");
  if (profile.history.includes("instance")) codes.push("history-instance");
  if (profile.history.includes("type")) codes.push("history-type");
  const level = type === "Patient" ? "patient" : type === "Group" ? "group" : undefined;
  const exports = level !== undefined && profile.export.levels.includes(level);
  return {
    type,
    interaction: codes.map((code) => ({ code })),
    versioning: profile.meta ? (profile.vread ? "versioned" : "versioned-update") : "no-version",
    readHistory: profile.vread,
    updateCreate: true,
    searchParam: [
      { name: "_id", type: "token" },
      ...(profile.lastUpdatedSearch === "supported" ? [{ name: "_lastUpdated", type: "date" }] : []),
      ...Object.entries(CLINICAL_PARAMETERS).map(([name, { kind }]) => ({ name, type: kind })),
    ],
    ...(exports ? { operation: [{ name: "export", definition: `${DEFINITION}/${level}-export` }] } : {}),
  };
}
