import path from "node:path";
import { packageRoot } from "#kernel";

const shared = process.env["FHIR_LAKE_SHARED"] ?? path.join(packageRoot(), "..", "shared");

/** Folder of the views of Pathling's benchmark, which is not part of this repository. */
export const DEFINITIONS = path.join(shared, "conformance", "pathling-benchmark-views");

/** Name of each of these views, which is that of its hand-written SQL, and its definition. */
export const PATHLING_VIEWS: readonly (readonly [name: string, file: string])[] = [
  ["patient_demographics", path.join(DEFINITIONS, "PatientDemographics.json")],
  ["patient_addresses", path.join(DEFINITIONS, "PatientAddresses.json")],
  ["patient_and_contact_addresses", path.join(DEFINITIONS, "PatientAndContactAddressUnion.json")],
  ["condition_flat", path.join(DEFINITIONS, "ConditionFlat.json")],
  ["encounter_flat", path.join(DEFINITIONS, "EncounterFlat.json")],
  ["us_core_blood_pressures", path.join(DEFINITIONS, "UsCoreBloodPressures.json")],
  ["questionnaire_response_flat", path.join(DEFINITIONS, "QuestionnaireResponseFlat.json")],
];
