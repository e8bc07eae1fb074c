import { type Definitions, isSubtype } from "#fhir";

/** How values of a primitive type behave in operators. Types of one family compare with each other. */
export type Family =
  | "boolean"
  | "string"
  | "integer"
  | "long"
  | "decimal"
  | "date"
  | "dateTime"
  | "time"
  | "quantity"
  | "complex";

/** Type name of computed decimals, which are held as numbers; decimals of resources and literals are text as written (`decimal`). */
export const COMPUTED_DECIMAL = "System.Decimal";

const FAMILIES: ReadonlyMap<string, Family> = new Map<string, Family>([
  ["boolean", "boolean"],
  ["integer", "integer"],
  ["positiveInt", "integer"],
  ["unsignedInt", "integer"],
  ["integer64", "long"],
  ["decimal", "decimal"],
  [COMPUTED_DECIMAL, "decimal"],
  ["date", "date"],
  ["dateTime", "dateTime"],
  ["instant", "dateTime"],
  ["time", "time"],
]);

/** The family of a type; unknown and structured types are `complex`. */
export function familyOf(definitions: Definitions, type: string): Family {
  const known = FAMILIES.get(type);
  if (known !== undefined) return known;
  const definition = definitions.type(type);
  if (definition === undefined) return "complex";
  if (definition.kind === "primitive") return "string";
  return isSubtype(definitions, type, "Quantity") ? "quantity" : "complex";
}

/** True for families of numbers. */
export function isNumeric(family: Family): boolean {
  return family === "integer" || family === "long" || family === "decimal";
}

/** True for dates and dateTimes, which compare with each other down to the precision they share. */
export function isCalendar(family: Family): boolean {
  return family === "date" || family === "dateTime";
}

/** FHIRPath's System types by name, with the families they cover. */
const SYSTEM_TYPES: ReadonlyMap<string, Family> = new Map<string, Family>([
  ["Boolean", "boolean"],
  ["String", "string"],
  ["Integer", "integer"],
  ["Long", "long"],
  ["Decimal", "decimal"],
  ["Date", "date"],
  ["DateTime", "dateTime"],
  ["Time", "time"],
]);

/** What a type name in an expression stands for: a FHIR type, or a System type given by its family. */
export type TypeName = { readonly fhir: string } | { readonly system: Family };

/** Reads `Patient`, `FHIR.Patient`, `string`, `String`, `System.String`. Undefined when no such type exists. */
export function resolveTypeName(definitions: Definitions, name: string): TypeName | undefined {
  const [namespace, local] = name.includes(".") ? name.split(/\.(.*)/s) : [undefined, name];
  if (local === undefined) return undefined;
  const system = SYSTEM_TYPES.get(local);
  if (namespace === "System") return system === undefined ? undefined : { system };
  if (namespace === undefined || namespace === "FHIR") {
    if (definitions.type(local) !== undefined) return { fhir: local };
    if (namespace === undefined && system !== undefined) return { system };
    return undefined;
  }
  // Backbones are named by their path: Patient.contact.
  return definitions.type(name) === undefined ? undefined : { fhir: name };
}

/** All names that may stand where a type is expected, for did-you-mean. */
export function typeNames(definitions: Definitions): readonly string[] {
  const names = new Set<string>([...SYSTEM_TYPES.keys(), ...definitions.resourceTypes]);
  const extension = definitions.type("Extension")?.elements.get("value")?.types ?? [];
  for (const name of extension) names.add(name);
  return [...names];
}
