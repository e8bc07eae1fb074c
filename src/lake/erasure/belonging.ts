import { type Definitions, patientReferencePath } from "#fhir";
import { resourceKey } from "#landing";

/** A reference to a patient as FHIR writes it: relative, absolute, or to one version. */
const PATIENT_REFERENCE = /(?:^|\/)Patient\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/[^/]*)?$/;

/** Types of which one resource is about many persons: naming one of them does not make it that person's. */
const OF_MANY = new Set(["Group", "AuditEvent", "Provenance"]);

/** Elements that say of whom a resource is, whatever its type. */
const OWN_ELEMENTS = ["subject", "patient", "beneficiary", "individual", "for", "deliverFor", "candidate"];

/** The `reference` texts at a dotted path of a resource, through lists. */
function referencesAt(value: unknown, names: readonly string[]): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => referencesAt(item, names));
  if (value === null || typeof value !== "object") return [];
  const [name, ...rest] = names;
  if (name !== undefined) return referencesAt((value as Record<string, unknown>)[name], rest);
  const reference = (value as Record<string, unknown>)["reference"];
  return typeof reference === "string" ? [reference] : [];
}

/** Tells whether resources belong to certain patients of one source: by the Patient compartment's references. */
export class Belonging {
  private readonly definitions: Definitions;
  private readonly source: string;
  private readonly persons: ReadonlySet<string>;

  /** `persons`: hashed keys of patients of that source. */
  constructor(definitions: Definitions, source: string, persons: Iterable<string>) {
    this.definitions = definitions;
    this.source = source;
    this.persons = new Set(persons);
  }

  /** True when the resource is one of the persons or is about one of them and nobody else's record. */
  owns(type: string, resource: unknown): boolean {
    if (OF_MANY.has(type)) return false;
    if (type === "Patient") {
      const { id } = resource as { id?: unknown };
      return typeof id === "string" && this.persons.has(resourceKey(this.source, type, id));
    }
    const path = patientReferencePath(this.definitions, type);
    const places = new Set([...(path === undefined ? [] : [path]), ...OWN_ELEMENTS]);
    return [...places].some((place) =>
      referencesAt(resource, place.split(".")).some((r) => this.isPerson(r)),
    );
  }

  private isPerson(reference: string): boolean {
    const id = PATIENT_REFERENCE.exec(reference)?.[1];
    return id !== undefined && this.persons.has(resourceKey(this.source, "Patient", id));
  }
}
