import {
  dataOf,
  type EngineContext,
  type Item,
  type ResourceNode,
  type TypeName,
  types,
  type UserFunction,
} from "../engine.js";
import { distinctItems, holds, single } from "../operators.js";
import { OracleError } from "../values.js";
import { plain } from "./plain.js";

type Lambda = (item: Item) => Item[];

function isTrue(items: readonly Item[]): boolean {
  const item = single(items, "a criterion");
  return item !== undefined && dataOf(item) === true;
}

/** The values of a collection of booleans; an item without a value says nothing. */
function truths(items: readonly Item[]): boolean[] {
  return items
    .map((item) => dataOf(item))
    .filter((value) => value !== null)
    .map((value) => {
      if (typeof value !== "boolean") throw new OracleError("booleans are needed");
      return value;
    });
}

function withIndex(context: EngineContext, items: readonly Item[], keep: (item: Item) => boolean): Item[] {
  return items.filter((item, index) => {
    context.$index = index;
    return keep(item);
  });
}

/** fhirpath.js takes a node holding `false` for true in criteria, and slices from the end for negative counts. */
export const filtering: Record<string, UserFunction> = {
  where: {
    internalStructures: true,
    arity: { 1: ["Expr"] },
    fn(this: EngineContext, input: Item[], criterion: Lambda) {
      return withIndex(this, input, (item) => isTrue(criterion(item)));
    },
  },
  exists: {
    internalStructures: true,
    arity: { 0: [], 1: ["Expr"] },
    fn(this: EngineContext, input: Item[], criterion?: Lambda) {
      if (criterion === undefined) return input.length > 0;
      return withIndex(this, input, (item) => isTrue(criterion(item))).length > 0;
    },
  },
  all: {
    internalStructures: true,
    arity: { 1: ["Expr"] },
    fn(this: EngineContext, input: Item[], criterion: Lambda) {
      return withIndex(this, input, (item) => isTrue(criterion(item))).length === input.length;
    },
  },
  allTrue: plain({ 0: [] }, (input) => truths(input).every((value) => value)),
  anyTrue: plain({ 0: [] }, (input) => truths(input).some((value) => value)),
  allFalse: plain({ 0: [] }, (input) => truths(input).every((value) => !value)),
  anyFalse: plain({ 0: [] }, (input) => truths(input).some((value) => !value)),
  distinct: plain({ 0: [] }, distinctItems),
  isDistinct: plain({ 0: [] }, (input) => distinctItems(input).length === input.length),
  union: plain({ 1: ["AnyAtRoot"] }, (a, b: Item[]) => distinctItems([...a, ...b])),
  intersect: plain({ 1: ["AnyAtRoot"] }, (a, b: Item[]) => distinctItems(a.filter((item) => holds(b, item)))),
  exclude: plain({ 1: ["AnyAtRoot"] }, (a, b: Item[]) => a.filter((item) => !holds(b, item))),
  subsetOf: plain({ 1: ["AnyAtRoot"] }, (a, b: Item[]) => a.every((item) => holds(b, item))),
  supersetOf: plain({ 1: ["AnyAtRoot"] }, (a, b: Item[]) => b.every((item) => holds(a, item))),
  take: plain({ 1: ["Integer"] }, (input, n: number) => input.slice(0, Math.max(0, n))),
  skip: plain({ 1: ["Integer"] }, (input, n: number) => input.slice(Math.max(0, n))),
  ofType: plain({ 1: ["TypeSpecifier"] }, (input, type: TypeName) =>
    input.filter((item) => isExactly(item, type)),
  ),
};

const systemTypes: Record<string, string> = {
  Boolean: "boolean",
  String: "string",
  Integer: "integer",
  Decimal: "decimal",
  Date: "date",
  DateTime: "dateTime",
  Time: "time",
};

function isExactly(item: Item, type: TypeName): boolean {
  const wanted = type.namespace === "FHIR" ? type.name : (systemTypes[type.name] ?? type.name);
  return item instanceof types.ResourceNode && (item as ResourceNode).fhirNodeDataType === wanted;
}
