import { call, type Expr } from "#plan";
import type { Collection } from "./collection.js";
import type { Family } from "./family.js";

const DATE = /^\d{4}(-\d{2}(-\d{2}(T\d{2}(:\d{2}(:\d{2}(\.\d+)?)?)?(Z|[+-]\d{2}:\d{2})?)?)?)?$/;

/** True for text in the form of a FHIR date or dateTime, partial ones included. */
export function isCalendarText(value: string): boolean {
  return DATE.test(value);
}

/**
 * -1, 0 or 1 as `a` is before, equal to or after `b`, and NULL when their precision leaves it open (FHIRPath, date and time comparison).
 */
export function compareTemporal(family: Family, a: Expr, b: Expr): Expr {
  return call(family === "time" ? "compareTime" : "compareTemporal", a, b);
}

/** The value and unit of a quantity. */
export function quantityParts(
  quantity: Collection,
  field: (name: string) => Expr,
): { value: Expr; unit: Expr } {
  if (quantity.expr.kind === "struct") {
    const parts = new Map(quantity.expr.fields);
    return { value: parts.get("value")!, unit: parts.get("unit")! };
  }
  return { value: field("value"), unit: call("coalesce", field("code"), field("unit")) };
}
