import {
  BIGINT,
  BOOLEAN,
  boolean,
  call,
  choose,
  contains,
  costOf,
  type DataType,
  type Expr,
  INTEGER,
  integer,
  nullOf,
  nullWith,
  substitute,
  TEXT,
  text,
} from "#plan";
import {
  type Collection,
  collapse,
  compact,
  isEmpty,
  isPlain,
  itemOf,
  itemPresent,
  self,
  single,
  transform,
} from "./collection.js";
import { COMPUTED_DECIMAL, type Family, familyOf } from "./family.js";
import type { Analysis } from "./scope.js";

/** The statically empty collection. */
export const EMPTY: Collection = { expr: nullOf(TEXT), many: false, sparse: false, variants: [] };

/** How values of a family are held. */
export function familyType(family: Family): DataType {
  switch (family) {
    case "boolean":
      return BOOLEAN;
    case "integer":
      return INTEGER;
    case "long":
      return BIGINT;
    default:
      return TEXT;
  }
}

/** Families of the variants, without repetition. */
export function familiesOf(analysis: Analysis, collection: Collection): readonly Family[] {
  return [...new Set(collection.variants.map((variant) => familyOf(analysis.definitions, variant.type)))];
}

/** The family that all items share, `mixed` when they may differ, `none` for the empty collection. */
export function familyOfAll(analysis: Analysis, collection: Collection): Family | "mixed" | "none" {
  const families = familiesOf(analysis, collection);
  if (families.length === 0) return "none";
  return families.length === 1 ? families[0]! : "mixed";
}

/**
 * The collection's items of the given families with one representation: variants of other families are left out, several variants of
 * one family become one. Computed and written decimals meet as numbers.
 */
export function narrow(
  analysis: Analysis,
  collection: Collection,
  accepts: (family: Family) => boolean,
): Collection {
  const variants = collection.variants.filter((variant) =>
    accepts(familyOf(analysis.definitions, variant.type)),
  );
  if (variants.length === 0) return EMPTY;
  const narrowed: Collection = {
    ...collection,
    variants,
    sparse: collection.sparse || variants.length < collection.variants.length,
  };
  if (variants.length === 1) return collapse(analysis.names, narrowed);
  return mergeVariants(analysis, narrowed);
}

/** One value per item out of several variants. */
function mergeVariants(analysis: Analysis, collection: Collection): Collection {
  const families = familiesOf(analysis, collection);
  const types = new Set(collection.variants.map((variant) => variant.type));
  const asNumbers =
    families.every((f) => f === "decimal" || f === "integer" || f === "long") &&
    types.size > 1 &&
    families.length > 1;
  const computed = types.has(COMPUTED_DECIMAL) || asNumbers;
  const value = (item: Expr): Expr => {
    const values = collection.variants.map((variant) => {
      const picked = variant.pick(item);
      return computed && variant.type !== COMPUTED_DECIMAL ? call("toNumber", picked) : picked;
    });
    return call("coalesce", ...values);
  };
  const family = families[0]!;
  const type = computed
    ? COMPUTED_DECIMAL
    : types.size === 1
      ? [...types][0]!
      : families.length === 1
        ? generalType(family)
        : "dateTime";
  if (!collection.many) return single(type, value(collection.expr));
  return {
    expr: transform(analysis.names, collection.expr, value),
    many: true,
    sparse: true,
    variants: [{ type, pick: self }],
  };
}

function generalType(family: Family): string {
  switch (family) {
    case "long":
      return "integer64";
    case "quantity":
      return "Quantity";
    case "complex":
      return "Element";
    default:
      return family;
  }
}

/** A statically plain collection: one variant per item that is the item itself; families other than the first one's are left out. */
export function plain(analysis: Analysis, collection: Collection): Collection {
  if (isEmpty(collection) || isPlain(collection)) return collection;
  const first = familyOf(analysis.definitions, collection.variants[0]!.type);
  return narrow(analysis, collection, (family) => family === first);
}

/** Lists that cost about nothing to name again. */
const CHEAP = 4;

/**
 * The value of a list's only item; several items stop the statement. Most lists that a path is mapped over have at most one item, for
 * which nothing needs to be mapped, filtered or counted.
 */
export function onlyItem(analysis: Pick<Analysis, "names">, collection: Collection, failure: Expr): Expr {
  const items = compact(analysis.names, collection).expr;
  const several = call("onlyItem", items, failure);
  const { expr } = collection;
  if (expr.kind !== "transform" || expr.index !== undefined || !isPlain(collection)) return several;
  if (costOf(expr.list) >= CHEAP || contains(expr.body, (inner) => inner.kind === "transform"))
    return several;
  const isItem = (inner: Expr): boolean => inner.kind === "variable" && inner.name === expr.variable;
  if (!nullWith(expr.body, isItem)) return several;
  const few = call("less", call("listLength", expr.list), integer(2));
  const first = substitute(expr.body, expr.variable, call("listItem", expr.list, integer(0)));
  return choose(few, first, several);
}

/** The only item, as a value: several items stop the statement, because FHIRPath demands one here. */
export function singleton(analysis: Analysis, collection: Collection, subject: string): Collection {
  if (!collection.many) return collection;
  const failure: Expr = { kind: "fail", code: "singleton-expected", subject };
  return itemOf(collection, onlyItem(analysis, collection, failure));
}

/** A collection as a truth value (FHIRPath singleton evaluation): a boolean is itself, any other single item is true. */
export function truth(analysis: Analysis, collection: Collection, subject: string): Expr {
  if (isEmpty(collection)) return nullOf(BOOLEAN);
  const one = singleton(analysis, collection, subject);
  const when = one.variants.map((variant): readonly [Expr, Expr] => {
    const value = variant.pick(one.expr);
    const isBoolean = familyOf(analysis.definitions, variant.type) === "boolean";
    const present = one.expr.kind === "row" ? itemPresent(one, one.expr) : call("isNotNull", value);
    return [present, isBoolean ? value : boolean(true)];
  });
  const first = when[0]!;
  if (when.length === 1 && familyOf(analysis.definitions, one.variants[0]!.type) === "boolean")
    return first[1];
  return { kind: "case", when };
}

/** A single number for arithmetic, as text or integer in, `number` out. */
export function toNumber(collection: Collection): Expr {
  return collection.variants[0]?.type === COMPUTED_DECIMAL
    ? collection.expr
    : call("toNumber", collection.expr);
}

/** A single primitive value as text in its FHIR form. */
export function toText(analysis: Analysis, collection: Collection): Expr {
  const variant = collection.variants[0];
  if (variant === undefined) return nullOf(TEXT);
  if (variant.type === COMPUTED_DECIMAL) return call("numberText", collection.expr);
  switch (familyOf(analysis.definitions, variant.type)) {
    case "boolean":
      return choose(collection.expr, text("true"), choose(call("not", collection.expr), text("false")));
    case "integer":
    case "long":
      return call("text", collection.expr);
    default:
      return collection.expr;
  }
}

/** The items as a list without gaps, also when there is at most one. */
export function asList(analysis: Analysis, collection: Collection): Collection {
  if (collection.many) return compact(analysis.names, collection);
  const expr = call("listOf", collection.expr);
  return { expr, many: true, sparse: false, variants: collection.variants };
}
