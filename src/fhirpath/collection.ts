import { boolean, call, choose, contains, type Expr, integer, nullWith, type Usage } from "#plan";

/**
 * One type that the items of a collection may have. `pick` gets the item as a value of that type: the item itself, or, for a choice
 * element not yet narrowed, one field of the struct that holds it. At most one variant of an item is present.
 */
export interface Variant {
  /** FHIR type, or `System.Decimal` for a computed decimal. */
  readonly type: string;
  readonly usage?: Usage;
  readonly pick: (item: Expr) => Expr;
  /** For a primitive element: what stands beside it as `_name` in JSON, with its id and extensions. */
  readonly sibling?: (item: Expr) => Sibling;
}

/** The `_name` struct beside a primitive; not made (and so not read) unless asked for. */
export interface Sibling {
  readonly expr: Expr;
  readonly usage: Usage;
}

/**
 * A FHIRPath collection as an expression with its types.
 *
 * - not `many`: at most one item; `expr` is its value, NULL when empty.
 * - `many`: `expr` is a list, NULL or without items when empty. When `sparse`, NULL items (or items of which no variant is present)
 *   may stand in it and do not count.
 */
export interface Collection {
  readonly expr: Expr;
  readonly many: boolean;
  readonly sparse: boolean;
  /** No variants: the collection is empty whatever the data. */
  readonly variants: readonly Variant[];
  /** The text of a literal, for operators that treat constants specially. */
  readonly constant?: string;
  /** For a union of literals: each of them. */
  readonly constants?: readonly Collection[];
  /** Only for the resource itself: true when it is in the collection. */
  readonly guard?: Expr;
  /** For primitive elements reached by a path: the `_name` structs beside them, in a list when the collection is one. */
  readonly siblings?: () => Collection;
  /** The same items, each with its value and what stands beside it; also those that have no value. */
  readonly elements?: () => Collection;
}

/** The `pick` of items that are their own value. */
export const self = (item: Expr): Expr => item;

/** A collection of at most one item of one type. */
export function single(type: string, expr: Expr, usage?: Usage): Collection {
  return { expr, many: false, sparse: false, variants: [variant(type, usage)] };
}

/** A list of items of one type; `sparse` when NULLs may stand in it. */
export function list(type: string, expr: Expr, sparse: boolean, usage?: Usage): Collection {
  return { expr, many: true, sparse, variants: [variant(type, usage)] };
}

function variant(type: string, usage: Usage | undefined): Variant {
  return { type, pick: self, ...(usage === undefined ? {} : { usage }) };
}

/** True for collections that are empty whatever the data. */
export function isEmpty(collection: Collection): boolean {
  return collection.variants.length === 0;
}

/** True when an item is its own value, so that the collection's expression can be used as it is. */
export function isPlain(collection: Collection): boolean {
  return collection.variants.length === 1 && collection.variants[0]!.pick === self;
}

/** True when some variant of the item is there. */
export function itemPresent(collection: Collection, item: Expr): Expr {
  if (isResource(collection, item)) return collection.guard ?? boolean(true);
  const checks = collection.variants.map((v) => call("isNotNull", v.pick(item)));
  const present = checks.length === 1 ? checks[0]! : call("or", ...checks);
  return collection.guard === undefined ? present : call("and", collection.guard, present);
}

/** True for the resource itself. A choice element of it not yet narrowed has the same row as its item, but picks fields of it. */
export function isResource(collection: Collection, item: Expr): boolean {
  return item.kind === "row" && collection.variants.some((v) => v.pick(item).kind === "row");
}

/** The collection without what is only true of it as it was reached, such as being a literal or having siblings. */
export function bare(collection: Collection): Collection {
  const { siblings, elements, constant, constants, ...rest } = collection;
  return rest;
}

/** The collection of at most one item, kept only where the test is true. */
export function restrict(collection: Collection, test: Expr): Collection {
  const { elements, siblings } = collection;
  return {
    ...restricted(collection, test),
    ...(elements === undefined ? {} : { elements: () => restricted(elements(), test) }),
    // What stands beside a primitive is an item without its value, too.
    ...(siblings === undefined ? {} : { siblings: () => restricted(siblings(), test) }),
  };
}

function restricted(collection: Collection, test: Expr): Collection {
  const rest = bare(collection);
  if (isResource(collection, collection.expr)) {
    const kept = call("isTrue", test);
    return { ...rest, guard: collection.guard === undefined ? kept : call("and", collection.guard, kept) };
  }
  if (collection.expr.kind !== "row") return { ...rest, expr: choose(test, collection.expr) };
  const variants = collection.variants.map((variant): Variant => {
    const { pick, sibling } = variant;
    const tested = { ...variant, pick: (item: Expr) => choose(test, pick(item)) };
    if (sibling === undefined) return tested;
    return { ...tested, sibling: (item) => ({ ...sibling(item), expr: choose(test, sibling(item).expr) }) };
  });
  return { ...rest, variants };
}

/** Makes names of lambda variables and columns that are unique within one view. */
export class NameSource {
  private next = 0;

  variable(): string {
    return `v${++this.next}`;
  }

  column(): string {
    return `#${++this.next}`;
  }
}

/** The same collection without NULL items, so that positions and lengths count items only. */
export function compact(names: NameSource, collection: Collection): Collection {
  if (!collection.many || !collection.sparse) return collection;
  const variable = names.variable();
  const body = itemPresent(collection, { kind: "variable", name: variable });
  return { ...collection, sparse: false, expr: { kind: "filter", list: collection.expr, variable, body } };
}

/** The collection with each item replaced by its only variant's value. Only for collections with one variant. */
export function collapse(names: NameSource, collection: Collection): Collection {
  const only = collection.variants[0]!;
  if (only.pick === self) return collection;
  const variants = [variant(only.type, only.usage)];
  const sibling = only.sibling;
  if (!collection.many) {
    const expr = only.pick(collection.expr);
    if (sibling === undefined) return { expr, many: false, sparse: false, variants };
    return {
      expr,
      many: false,
      sparse: false,
      variants,
      siblings: () => siblingOf(sibling(collection.expr)),
    };
  }
  const expr = transform(names, collection.expr, only.pick);
  if (sibling === undefined) return { expr, many: true, sparse: true, variants };
  const siblings = (): Collection => siblingList(names, collection.expr, sibling);
  return { expr, many: true, sparse: true, variants, siblings, elements: () => present(names, collection) };
}

/** Items that stand for a primitive which has a value, or something beside it. */
function present(names: NameSource, collection: Collection): Collection {
  const { pick, sibling } = collection.variants[0]!;
  const test = (item: Expr): Expr =>
    call("or", call("isNotNull", pick(item)), call("isNotNull", sibling!(item).expr));
  return { ...collection, sparse: false, expr: filter(names, collection.expr, test) };
}

function siblingOf({ expr, usage }: Sibling): Collection {
  return single("Element", expr, usage);
}

function siblingList(names: NameSource, items: Expr, sibling: (item: Expr) => Sibling): Collection {
  let usage: Usage | undefined;
  const expr = transform(names, items, (item) => {
    const found = sibling(item);
    usage = found.usage;
    return found.expr;
  });
  return list("Element", expr, true, usage);
}

/** One result per list item. */
export function transform(names: NameSource, listExpr: Expr, body: (item: Expr) => Expr): Expr {
  const variable = names.variable();
  return { kind: "transform", list: listExpr, variable, body: body({ kind: "variable", name: variable }) };
}

/** The items of a list for which the body is true. */
export function filter(names: NameSource, listExpr: Expr, body: (item: Expr) => Expr): Expr {
  const variable = names.variable();
  return { kind: "filter", list: listExpr, variable, body: body({ kind: "variable", name: variable }) };
}

/** The collection's single item as a collection, when `item` stands for one item of it. */
export function itemOf(collection: Collection, item: Expr): Collection {
  return { expr: item, many: false, sparse: false, variants: collection.variants };
}

/**
 * Applies a projection to every item and joins the results in order. `project` may be evaluated for NULL items of sparse lists, so a
 * projection that makes something of nothing is only given items that are there.
 */
export function mapItems(
  names: NameSource,
  collection: Collection,
  project: (item: Collection, index: Expr) => Collection,
): Collection {
  if (!collection.many) {
    const result = project(collection, integer(0));
    if (isResource(collection, collection.expr) && collection.guard === undefined) return result;
    if (nullWith(result.expr, (expr) => expr === collection.expr)) return result;
    const present = itemPresent(collection, collection.expr);
    return { ...result, expr: choose(present, result.expr) };
  }
  const variable: Expr = { kind: "variable", name: names.variable() };
  const index: Expr = { kind: "variable", name: names.variable() };
  let source = collection;
  let result = project(itemOf(source, variable), index);
  if (collection.sparse && !nullWith(result.expr, (expr) => expr === variable)) {
    source = compact(names, collection);
    result = project(itemOf(source, variable), index);
  }
  const mapped: Expr = {
    kind: "transform",
    list: source.expr,
    variable: variable.name,
    index: index.name,
    body: result.expr,
  };
  if (!result.many) return { ...result, expr: mapped, many: true, sparse: true };
  return { ...result, expr: call("flatten", mapped), many: true };
}

/** The collection with every item in its place, also primitives that have only an id or extensions. */
export function positional(collection: Collection): Collection {
  return collection.many ? (collection.elements?.() ?? collection) : collection;
}

/** Number of items as an expression that is never NULL. */
export function countOf(names: NameSource, collection: Collection): Expr {
  if (isEmpty(collection)) return integer(0);
  if (collection.many) return call("listLength", compact(names, collection).expr);
  return choose(existsIn(names, collection), integer(1), integer(0));
}

/** True when there is at least one item that has a value; never NULL. */
export function hasValueIn(names: NameSource, collection: Collection): Expr {
  if (isEmpty(collection)) return boolean(false);
  if (!collection.many) return itemPresent(collection, collection.expr);
  return call("less", integer(0), call("listLength", compact(names, collection).expr));
}

/** True when there is at least one item; never NULL. A primitive element that has only an extension is an item. */
export function existsIn(names: NameSource, collection: Collection): Expr {
  const value = hasValueIn(names, collection);
  if (collection.siblings !== undefined) return call("or", value, hasValueIn(names, collection.siblings()));
  if (collection.many) {
    const { elements } = collection;
    return elements === undefined ? value : hasValueIn(names, elements());
  }
  const siblings = collection.variants.flatMap((v) =>
    v.sibling === undefined ? [] : [v.sibling(collection.expr)],
  );
  return siblings.length === 0 ? value : call("or", value, ...siblings.map((s) => call("isNotNull", s.expr)));
}

/** True when some item is a primitive without a value, which is equal to nothing; never NULL. */
export function valuelessIn(names: NameSource, collection: Collection): Expr {
  if (isEmpty(collection) || !mayBeValueless(collection)) return boolean(false);
  if (!collection.many) {
    return call("and", existsIn(names, collection), call("not", hasValueIn(names, collection)));
  }
  const items = collection.elements!();
  const without = transform(names, items.expr, (item) => call("not", valuePresent(items, item)));
  return call("listAny", without);
}

/** True for primitives reached by a path, beside which an id or extensions can stand in the place of a value. */
export function mayBeValueless(collection: Collection): boolean {
  if (collection.elements !== undefined) return true;
  if (collection.many) return false;
  return collection.siblings !== undefined || collection.variants.some((v) => v.sibling !== undefined);
}

function valuePresent({ variants }: Collection, item: Expr): Expr {
  const checks = variants.map((variant) => call("isNotNull", variant.pick(item)));
  return checks.length === 1 ? checks[0]! : call("or", ...checks);
}

/** One place per item, as a list: its value, or NULL for a primitive that has none. Only for plain values. */
export function places(names: NameSource, collection: Collection): Expr {
  if (collection.many) {
    const items = collection.elements?.();
    if (items === undefined) return compact(names, collection).expr;
    return transform(names, items.expr, items.variants[0]!.pick);
  }
  const one = call("listRange", choose(existsIn(names, collection), integer(1), integer(0)));
  return transform(names, one, () => collection.expr);
}

/** True when the expression can stop the statement. */
export function mayFail(expr: Expr): boolean {
  return contains(expr, (inner) => inner.kind === "fail");
}
