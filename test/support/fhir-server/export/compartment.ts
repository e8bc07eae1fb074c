import type { ResourceStore, StoredVersion } from "../store.js";

/** Root elements that put a resource into the compartment of the patient they refer to (R4 compartmentdefinition-patient). */
const DEFAULT_ELEMENTS = ["subject", "patient"];
const ELEMENTS: Readonly<Record<string, readonly string[]>> = {
  Account: ["subject"],
  Appointment: ["participant"],
  AppointmentResponse: ["actor"],
  Coverage: ["beneficiary", "subscriber", "policyHolder", "payor"],
  EnrollmentRequest: ["candidate"],
  Group: ["member"],
  ResearchSubject: ["individual"],
  Schedule: ["actor"],
  Person: ["link"],
  QuestionnaireResponse: ["subject", "author", "source"],
  Provenance: ["patient", "target"],
};
const NEVER = new Set([
  "Location",
  "Organization",
  "Practitioner",
  "PractitionerRole",
  "Medication",
  "Device",
  "Substance",
]);

/** The ids of the patients that a resource text refers to as a member of their compartments. */
export function patientsOf(type: string, id: string, text: Buffer): ReadonlySet<string> {
  if (type === "Patient") return new Set([id]);
  const found = new Set<string>();
  if (NEVER.has(type)) return found;
  const resource = JSON.parse(text.toString()) as Record<string, unknown>;
  for (const name of ELEMENTS[type] ?? DEFAULT_ELEMENTS) {
    const written = JSON.stringify(resource[name] ?? null);
    for (const [, patient] of written.matchAll(/"reference":"(?:[^"]*\/)?Patient\/([A-Za-z0-9.-]{1,64})/g))
      found.add(patient!);
  }
  return found;
}

/** Whether a version (for a delete: the version before it) lies in the compartment of one of the patients, or of any. */
export function inCompartment(
  store: ResourceStore,
  version: StoredVersion,
  patients: ReadonlySet<string> | undefined,
): boolean {
  if (version.type === "Patient") return patients === undefined || patients.has(version.id);
  const text =
    version.text ??
    store.versions(version.type, version.id).findLast((earlier) => earlier.text !== undefined)?.text;
  if (text === undefined) return false;
  for (const patient of patientsOf(version.type, version.id, text.read()))
    if (patients === undefined || patients.has(patient)) return true;
  return false;
}

/** The ids of a Group's patients. Undefined when there is no such Group. */
export function groupMembers(store: ResourceStore, id: string): ReadonlySet<string> | undefined {
  const group = store.current("Group", id)?.text;
  if (group === undefined) return undefined;
  const { member = [] } = JSON.parse(group.read().toString()) as {
    member?: { entity?: { reference?: string }; inactive?: boolean }[];
  };
  const ids = member
    .filter(({ inactive }) => inactive !== true)
    .map(({ entity }) => /(?:^|\/)Patient\/([^/]+)$/.exec(entity?.reference ?? "")?.[1]);
  return new Set(ids.filter((patient) => patient !== undefined));
}
