import { type Definitions, jsonName } from "./definitions.js";

/** Elements that say when something happened, best first; administrative times come last. */
const DATE_ELEMENTS = [
  "effective",
  "onset",
  "performed",
  "occurrence",
  "occurred",
  "period",
  "actualPeriod",
  "billablePeriod",
  "servicedPeriod",
  "started",
  "start",
  "birthDate",
  "authoredOn",
  "dateWritten",
  "whenHandedOver",
  "whenPrepared",
  "collected",
  "identified",
  "detected",
  "date",
  "dateTime",
  "recordedDate",
  "recorded",
  "sent",
  "received",
  "planned",
  "statusDate",
  "asserted",
  "dateAsserted",
  "assertedDate",
  "issued",
  "created",
  "timestamp",
] as const;

/** Where a point in time stands inside a type, or undefined when the type is not a time. */
function timeWithin(type: string): string | undefined {
  switch (type) {
    case "date":
    case "dateTime":
    case "instant":
      return "";
    case "Period":
      return ".start";
    default:
      return undefined;
  }
}

/**
 * Dotted JSON paths of a type's main clinical date, best first (`effectiveDateTime`, `effectivePeriod.start`, …, `issued`).
 * Top-level elements only, never below a list; empty when the type has no such element. The values may be partial dates.
 */
export function clinicalDatePaths(definitions: Definitions, resourceType: string): readonly string[] {
  const type = definitions.type(resourceType);
  if (type === undefined) return [];
  return DATE_ELEMENTS.flatMap((name) => {
    const element = type.elements.get(name);
    if (element === undefined || element.list) return [];
    return element.types.flatMap((code) => {
      const within = timeWithin(code);
      return within === undefined ? [] : [jsonName(element, code) + within];
    });
  });
}
