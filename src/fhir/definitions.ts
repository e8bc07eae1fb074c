import { readFileSync } from "node:fs";
import path from "node:path";
import { LakeError, packageRoot } from "#kernel";

/** The FHIR releases whose definitions are shipped: R4, R4B and R5. */
export type FhirVersion = "4.0.1" | "4.3.0" | "5.0.0";

/** One element of a type, as its StructureDefinition declares it. */
export interface ElementDefinition {
  /** Name without `[x]`: `value`, `name`, `contact`. */
  readonly name: string;
  /** FHIR type codes; an anonymous backbone is its path (`Patient.contact`), a content reference is the path it names. */
  readonly types: readonly string[];
  /** True for a choice element (`value[x]`), whose JSON name ends in the type. */
  readonly choice: boolean;
  readonly list: boolean;
}

/** A FHIR type with its elements, inherited ones included (they come first). Primitives have `id` and `extension` only. */
export interface TypeDefinition {
  readonly name: string;
  readonly kind: "resource" | "complex" | "primitive" | "backbone";
  readonly base?: string;
  readonly elements: ReadonlyMap<string, ElementDefinition>;
}

/** The types of one FHIR release. */
export interface Definitions {
  readonly version: FhirVersion;
  /** Names of the resource types that can be instantiated (`Patient`, not `DomainResource`). */
  readonly resourceTypes: ReadonlySet<string>;
  /** The type of that name (`Patient`, `HumanName`, `Patient.contact`, `string`), or undefined. */
  type(name: string): TypeDefinition | undefined;
}

interface GeneratedType {
  readonly kind: TypeDefinition["kind"];
  readonly base?: string;
  readonly abstract?: boolean;
  readonly elements: Readonly<Record<string, string>>;
}

interface Generated {
  readonly version: FhirVersion;
  readonly types: Readonly<Record<string, GeneratedType>>;
  readonly patient: Readonly<Record<string, string>>;
}

const FILES: Readonly<Record<FhirVersion, string>> = { "4.0.1": "r4", "4.3.0": "r4b", "5.0.0": "r5" };

const generatedFiles = new Map<FhirVersion, Generated>();
const loaded = new Map<FhirVersion, Definitions>();

function generated(version: FhirVersion): Generated {
  let content = generatedFiles.get(version);
  if (content === undefined) {
    const file = FILES[version];
    if (file === undefined) {
      throw new LakeError(
        "unsupported",
        "fhir/unknown-version",
        `FHIR version '${String(version)}' is not known; use one of ${Object.keys(FILES).join(", ")}.`,
      );
    }
    const name = path.join(packageRoot(), "src", "fhir", "generated", `${file}.json`);
    content = JSON.parse(readFileSync(name, "utf8")) as Generated;
    generatedFiles.set(version, content);
  }
  return content;
}

/** Reads `?decimal|string*`: `?` a choice, `|` between types, `*` a list. */
function parseElement(name: string, text: string): ElementDefinition {
  const choice = text.startsWith("?");
  const list = text.endsWith("*");
  const types = text.slice(choice ? 1 : 0, list ? -1 : undefined).split("|");
  return { name, types, choice, list };
}

class LoadedDefinitions implements Definitions {
  readonly version: FhirVersion;
  readonly resourceTypes: ReadonlySet<string>;
  private readonly source: Readonly<Record<string, GeneratedType>>;
  private readonly types = new Map<string, TypeDefinition>();

  constructor(content: Generated) {
    this.version = content.version;
    this.source = content.types;
    const concrete = Object.entries(content.types).filter(
      ([, t]) => t.kind === "resource" && t.abstract !== true,
    );
    this.resourceTypes = new Set(concrete.map(([name]) => name));
  }

  type(name: string): TypeDefinition | undefined {
    const known = this.types.get(name);
    if (known !== undefined) return known;
    if (!Object.hasOwn(this.source, name)) return undefined;
    const own = this.source[name]!;
    const elements = new Map(own.base === undefined ? [] : this.type(own.base)?.elements);
    for (const [element, text] of Object.entries(own.elements))
      elements.set(element, parseElement(element, text));
    const type: TypeDefinition = {
      name,
      kind: own.kind,
      ...(own.base === undefined ? {} : { base: own.base }),
      elements,
    };
    this.types.set(name, type);
    return type;
  }
}

/**
 * The definitions of a FHIR release, read once per process from `src/fhir/generated` (made by `scripts/generate-definitions.mjs`).
 * Errors: `fhir/unknown-version`.
 */
export function loadDefinitions(version: FhirVersion): Definitions {
  let definitions = loaded.get(version);
  if (definitions === undefined) {
    definitions = new LoadedDefinitions(generated(version));
    loaded.set(version, definitions);
  }
  return definitions;
}

/** True when `name` is `ancestor` or derives from it (`Age` from `Quantity`, `code` from `string`). */
export function isSubtype(definitions: Definitions, name: string, ancestor: string): boolean {
  for (let type = definitions.type(name); type !== undefined; ) {
    if (type.name === ancestor) return true;
    type = type.base === undefined ? undefined : definitions.type(type.base);
  }
  return false;
}

/** The JSON property of an element: its name, and for a choice the name with the type (`value`, `Quantity` → `valueQuantity`). */
export function jsonName(element: ElementDefinition, type: string): string {
  return element.choice ? element.name + type.charAt(0).toUpperCase() + type.slice(1) : element.name;
}

/**
 * Dotted path of the Reference that ties a resource type to its patient (`subject`, `participant.actor`), `id` for Patient itself,
 * or undefined for types outside the Patient compartment (FHIR CompartmentDefinition patient).
 */
export function patientReferencePath(definitions: Definitions, resourceType: string): string | undefined {
  if (resourceType === "Patient") return "id";
  const paths = generated(definitions.version).patient;
  return Object.hasOwn(paths, resourceType) ? paths[resourceType] : undefined;
}
