import { type Definitions, type ElementDefinition, jsonName } from "#fhir";
import { didYouMean } from "#kernel";
import { call, childUsage, choose, createUsage, type Expr, readUsage, type Usage } from "#plan";
import { type Collection, filter, type Sibling, self, transform, type Variant } from "./collection.js";
import { EMPTY } from "./convert.js";
import type { Span } from "./errors.js";
import type { Analysis } from "./scope.js";

/** One JSON property that an element name leads to from one variant. */
interface Step {
  readonly element: ElementDefinition;
  readonly type: string;
  /** Usage of the property, a child of the usage of what holds it. */
  readonly usage: Usage;
  /** Reads the property of an item of the collection. */
  readonly read: (item: Expr) => Expr;
  /** For a primitive: reads what stands beside it. */
  readonly sibling?: (item: Expr) => Sibling;
}

function isPrimitive(definitions: Definitions, type: string): boolean {
  return definitions.type(type)?.kind === "primitive";
}

/** The variant through which `name` is reached: the value itself, or for id and extension of a primitive its `_name` sibling. */
function holder(analysis: Analysis, variant: Variant): Variant | undefined {
  if (!isPrimitive(analysis.definitions, variant.type)) return variant;
  const sibling = variant.sibling;
  if (sibling === undefined) return undefined;
  // The usage is the same for every item, so any item serves to find it.
  const usage = sibling({ kind: "row" }).usage;
  return { type: "Element", usage, pick: (item) => sibling(item).expr };
}

function stepsTo(analysis: Analysis, collection: Collection, name: string): Step[] {
  const { definitions } = analysis;
  return collection.variants.flatMap((variant) => {
    const element = definitions.type(variant.type)?.elements.get(name);
    const from = element === undefined ? undefined : holder(analysis, variant);
    if (element === undefined || from === undefined) return [];
    const parent = from.usage ?? createUsage(from.type, false);
    return element.types.map((type) => {
      const json = jsonName(element, type);
      const usage = childUsage(parent, json, type, element.list);
      const at = (item: Expr, property: string, ofType: string): Expr => {
        const of = readUsage(parent, property, ofType, element.list);
        const field: Expr = { kind: "field", base: from.pick(item), name: property, usage: of };
        return item.kind === "row" && collection.guard !== undefined
          ? choose(collection.guard, field)
          : field;
      };
      const step: Step = { element, type, usage, read: (item) => at(item, json, type) };
      if (!isPrimitive(definitions, type)) return step;
      const sibling = (item: Expr): Sibling => {
        const beside = childUsage(parent, `_${json}`, "Element", element.list);
        return { expr: at(item, `_${json}`, "Element"), usage: beside };
      };
      return { ...step, sibling };
    });
  });
}

function followOne(analysis: Analysis, collection: Collection, step: Step): Collection {
  const variants = [{ type: step.type, usage: step.usage, pick: self }];
  const { read, sibling } = step;
  const follow = (readItem: (item: Expr) => Expr): Omit<Collection, "variants" | "siblings"> => {
    // A list of primitives may hold nulls, where only `_name` has something.
    const gaps = isPrimitive(analysis.definitions, step.type) || sibling !== undefined;
    if (!collection.many) {
      return { expr: readItem(collection.expr), many: step.element.list, sparse: step.element.list && gaps };
    }
    const mapped = transform(analysis.names, collection.expr, readItem);
    if (!step.element.list) return { expr: mapped, many: true, sparse: true };
    return { expr: call("flatten", mapped), many: true, sparse: gaps };
  };
  if (sibling === undefined) return { ...follow(read), variants };
  const siblings = (): Collection => {
    const usage = sibling({ kind: "row" }).usage;
    return {
      ...follow((item) => sibling(item).expr),
      variants: [{ type: "Element", usage, pick: self }],
    };
  };
  return {
    ...follow(read),
    variants,
    siblings,
    elements: () => withSiblings(analysis, collection, step, sibling),
  };
}

/** The items of a primitive element, each with what stands beside it. */
function withSiblings(
  analysis: Analysis,
  collection: Collection,
  step: Step,
  sibling: (item: Expr) => Sibling,
): Collection {
  const { type, usage, read } = step;
  if (!step.element.list) {
    // What holds the primitive stands for it.
    const variants = [{ type, usage, pick: read, sibling }];
    const guard = collection.guard === undefined ? {} : { guard: collection.guard };
    if (!collection.many) return { expr: collection.expr, many: false, sparse: false, variants, ...guard };
    const present = (item: Expr): Expr =>
      call("or", call("isNotNull", read(item)), call("isNotNull", sibling(item).expr));
    return { expr: filter(analysis.names, collection.expr, present), many: true, sparse: false, variants };
  }
  const beside = sibling({ kind: "row" }).usage;
  const zip = (item: Expr): Expr => call("zipElements", read(item), sibling(item).expr);
  const single = { ...usage, list: false };
  const variant: Variant = {
    type,
    usage,
    pick: (item) => ({ kind: "field", base: item, name: "value", usage: single }),
    sibling: (item) => ({
      expr: { kind: "field", base: item, name: "element", usage: beside },
      usage: beside,
    }),
  };
  const expr = collection.many
    ? call("flatten", transform(analysis.names, collection.expr, zip))
    : zip(collection.expr);
  return { expr, many: true, sparse: false, variants: [variant] };
}

/** Several properties at once (a choice element, or one name on several variants): the item stays the struct that holds them. */
function followSeveral(analysis: Analysis, collection: Collection, steps: readonly Step[]): Collection {
  if (steps.some((step) => step.element.list)) return joinLists(analysis, collection, steps);
  const variants = steps.map(
    ({ type, usage, read, sibling }): Variant => ({
      type,
      usage,
      pick: read,
      ...(sibling === undefined ? {} : { sibling }),
    }),
  );
  const guard = collection.guard === undefined ? {} : { guard: collection.guard };
  return { expr: collection.expr, many: collection.many, sparse: true, variants, ...guard };
}

/** Lists under several variants become one list when they hold the same type; at most one of them is there per item. */
function joinLists(analysis: Analysis, collection: Collection, steps: readonly Step[]): Collection {
  const { type, usage } = steps[0]!;
  for (const step of steps.slice(1)) shareUsage(usage, step.usage);
  const joined = (item: Expr): Expr =>
    call(
      "listConcatenate",
      ...steps.map((step): Expr => {
        const value = step.read(item);
        return {
          kind: "conform",
          base: step.element.list ? value : call("listOf", value),
          usage,
          list: true,
        };
      }),
    );
  const variants = [{ type, usage, pick: self }];
  if (!collection.many) return { expr: joined(collection.expr), many: true, sparse: true, variants };
  const expr = call("flatten", transform(analysis.names, collection.expr, joined));
  return { expr, many: true, sparse: true, variants };
}

/** Makes two properties need the same, so that their values have one shape. */
function shareUsage(a: Usage, b: Usage): void {
  if (!a.alsoUsedAs.includes(b)) a.alsoUsedAs.push(b);
  if (!b.alsoUsedAs.includes(a)) b.alsoUsedAs.push(a);
}

function warnUnknown(analysis: Analysis, collection: Collection, name: string, span: Span): void {
  const types = collection.variants.map((variant) => variant.type);
  const known = types.flatMap((type) => [...(analysis.definitions.type(type)?.elements.keys() ?? [])]);
  const where = types.length > 3 ? "none of the possible types" : types.join(" or ");
  const has = types.length > 3 ? "has" : "does not have";
  analysis.warn(
    "fhirpath/unknown-element",
    `${where} ${has} an element '${name}', so the path is always empty.${didYouMean(name, known)}`,
    span,
  );
}

/** Members that a primitive element has, beside its value. */
function isElementMember(name: string): boolean {
  return name === "extension" || name === "id";
}

/** Extensions of a primitive can be read where a path leads to it, but not from a value that an operation made of it. */
function refuseLostSibling(analysis: Analysis, collection: Collection, name: string, span: Span): void {
  const { definitions } = analysis;
  if (!isElementMember(name) || !collection.variants.some((v) => isPrimitive(definitions, v.type))) return;
  analysis.fail(
    "unsupported",
    `'${name}' of a primitive value can only be read right behind the path to it, as in birthDate.extension('…').`,
    span,
  );
}

/**
 * The children of all items under an element name, in order (FHIRPath path selection). A choice element gives all its types at once. A
 * name that no type of the items has gives the empty collection and a warning `fhirpath/unknown-element`.
 */
export function navigate(analysis: Analysis, collection: Collection, name: string, span: Span): Collection {
  if (collection.variants.length === 0) return EMPTY;
  if (collection.siblings !== undefined && isElementMember(name)) {
    return navigate(analysis, collection.siblings(), name, span);
  }
  if (collection.elements !== undefined && isElementMember(name)) {
    return navigate(analysis, collection.elements(), name, span);
  }
  const steps = stepsTo(analysis, collection, name);
  if (steps.length === 0) {
    refuseLostSibling(analysis, collection, name, span);
    warnUnknown(analysis, collection, name, span);
    return EMPTY;
  }
  if (steps.length === 1) return followOne(analysis, collection, steps[0]!);
  const sameType = steps.every((step) => step.type === steps[0]!.type);
  if (!sameType && steps.some((step) => step.element.list)) {
    const types = [...new Set(steps.map((step) => step.type))].join(", ");
    analysis.fail(
      "unsupported",
      `'${name}' leads to lists of different types (${types}) here; narrow the path with ofType() first.`,
      span,
    );
  }
  return followSeveral(analysis, collection, steps);
}
