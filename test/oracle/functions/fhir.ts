import { addDecimals, type DecimalValue, negateDecimal, roundDecimal } from "../decimal.js";
import {
  dataOf,
  type EngineContext,
  ExactDecimal,
  type Item,
  keyPrefixVariable,
  type TypeName,
  type UserFunction,
} from "../engine.js";
import { single } from "../operators.js";
import { boundaryOf } from "../temporal.js";
import { halfUnit, OracleError, temporalItem, worthOf } from "../values.js";
import { plain } from "./plain.js";

function decimalBoundary(value: DecimalValue, high: boolean, precision: number | undefined): Item[] {
  const digits = precision ?? 8;
  if (digits < 0 || digits > 8) return [];
  const half = halfUnit(value);
  const edge = addDecimals(value, high ? half : negateDecimal(half));
  if (edge.scale <= digits) return [new ExactDecimal(edge)];
  return [new ExactDecimal(roundDecimal(edge, digits, high ? "ceiling" : "floor"))];
}

function boundary(high: boolean): UserFunction {
  const evaluate = (input: Item[], precision?: number | []): Item[] => {
    const item = single(input, "a boundary");
    const value = item === undefined ? undefined : worthOf(item);
    if (value === undefined || Array.isArray(precision)) return [];
    if (value.kind === "number") return decimalBoundary(value.value, high, precision);
    if (value.kind === "temporal") {
      const edge = boundaryOf(value.value, high, precision);
      if (edge === undefined) return [];
      return [temporalItem(value.value.kind, edge)];
    }
    throw new OracleError(`a ${value.kind} has no boundary`);
  };
  return plain({ 0: [], 1: ["Integer"] }, evaluate);
}

/** `Type/id` of a reference that names a resource: relative or absolute, with or without a version. */
function referenceTarget(reference: string): { type: string; id: string } | undefined {
  const match =
    /^(?:https?:\/\/[^?#]*\/)?([A-Z][A-Za-z]+)\/([A-Za-z0-9.-]{1,64})(?:\/_history\/[^/?#]+)?$/.exec(
      reference,
    );
  return match === null ? undefined : { type: match[1]!, id: match[2]! };
}

function prefixOf(context: EngineContext): string {
  return (context.vars[keyPrefixVariable] as string | undefined) ?? "";
}

function referenceKeys(this: EngineContext, input: Item[], type?: TypeName): string[] {
  return input.flatMap((item) => {
    const reference = (dataOf(item) as { reference?: unknown } | null)?.reference;
    const target = typeof reference === "string" ? referenceTarget(reference) : undefined;
    if (target === undefined || (type !== undefined && type.name !== target.type)) return [];
    return [`${prefixOf(this)}${target.type}/${target.id}`];
  });
}

function resourceKeys(this: EngineContext, input: Item[]): string[] {
  return input.flatMap((item) => {
    const data = dataOf(item) as { resourceType?: unknown; id?: unknown } | null;
    if (typeof data?.resourceType !== "string" || typeof data.id !== "string") return [];
    return [`${prefixOf(this)}${data.resourceType}/${data.id}`];
  });
}

/** fhirpath.js lacks these (or leaves the zone off). */
export const fhir: Record<string, UserFunction> = {
  lowBoundary: boundary(false),
  highBoundary: boundary(true),
  getReferenceKey: plain({ 0: [], 1: ["TypeSpecifier"] }, referenceKeys),
  getResourceKey: plain({ 0: [] }, resourceKeys),
};
