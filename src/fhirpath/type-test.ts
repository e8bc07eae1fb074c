import { isSubtype } from "#fhir";
import { didYouMean } from "#kernel";
import {
  boolean,
  call,
  childUsage,
  choose,
  createUsage,
  type Expr,
  nullOf,
  readUsage,
  text,
  type Usage,
} from "#plan";
import type { Ast } from "./ast.js";
import { type Collection, collapse, compact, existsIn, filter, self, type Variant } from "./collection.js";
import { EMPTY, singleton } from "./convert.js";
import type { Span } from "./errors.js";
import { familyOf, resolveTypeName, type TypeName, typeNames } from "./family.js";
import type { Analysis } from "./scope.js";

/** The type that an argument like `Quantity` or `FHIR.Quantity` names. Errors: `fhirpath/unknown-type`, `fhirpath/wrong-arguments`. */
export function typeArgument(analysis: Analysis, ast: Ast): TypeName {
  const name = typeText(ast);
  if (name === undefined) {
    analysis.fail(
      "wrong-arguments",
      "A type name is expected here, without quotes, such as Quantity.",
      ast.span,
    );
  }
  return typeNamed(analysis, name, ast.span);
}

/** The type of that name. Errors: `fhirpath/unknown-type`. */
export function typeNamed(analysis: Analysis, name: string, span: Span): TypeName {
  const type = resolveTypeName(analysis.definitions, name);
  if (type === undefined) {
    const hint = didYouMean(name, typeNames(analysis.definitions));
    analysis.fail(
      "unknown-type",
      `There is no type '${name}' in FHIR ${analysis.definitions.version}.${hint}`,
      span,
    );
  }
  return type;
}

function typeText(ast: Ast): string | undefined {
  if (ast.kind !== "member") return undefined;
  if (ast.target === undefined) return ast.name;
  const target = typeText(ast.target);
  return target === undefined ? undefined : `${target}.${ast.name}`;
}

/** Whether items declared as `type` certainly are, may be, or are never of the named type. */
function relation(
  analysis: Analysis,
  type: string,
  wanted: TypeName,
  choice: boolean,
): "is" | "may" | "never" {
  const { definitions } = analysis;
  if ("system" in wanted) return familyOf(definitions, type) === wanted.system ? "is" : "never";
  if (type === wanted.fhir) return "is";
  // A choice names its type exactly (`ofType(string)` is not `valueCode`); elsewhere a subtype is one too.
  if (!choice && isSubtype(definitions, type, wanted.fhir)) return "is";
  const abstract = definitions.type(type)?.kind === "resource" && !definitions.resourceTypes.has(type);
  return abstract && isSubtype(definitions, wanted.fhir, type) ? "may" : "never";
}

/**
 * The items of a type (FHIRPath ofType). Of a choice element only the variant of exactly that type; of contained resources those whose
 * resourceType says so.
 */
export function ofType(analysis: Analysis, collection: Collection, wanted: TypeName): Collection {
  const choice = collection.variants.length > 1;
  const known = collection.variants.filter((v) => relation(analysis, v.type, wanted, choice) === "is");
  if (known.length > 0) {
    const dropped = known.length < collection.variants.length;
    const kept = { ...collection, variants: known, sparse: collection.sparse || dropped };
    return known.length === 1 ? collapse(analysis.names, kept) : kept;
  }
  const possible = collection.variants.find((v) => relation(analysis, v.type, wanted, choice) === "may");
  return possible === undefined || !("fhir" in wanted)
    ? EMPTY
    : resourcesOf(analysis, collection, possible, wanted.fhir);
}

/** Usage of a resource inside another one, apart from those of other types: each type is decoded from the same JSON on its own. */
function resourceUsage(holder: Usage | undefined, type: string): { usage: Usage; tag: Usage } {
  const usage = childUsage(holder ?? createUsage("Resource", false), `#${type}`, type, false);
  return { usage, tag: readUsage(usage, "resourceType", "code", false) };
}

function resourcesOf(analysis: Analysis, collection: Collection, variant: Variant, type: string): Collection {
  const { usage, tag } = resourceUsage(variant.usage, type);
  if (variant.usage !== undefined) variant.usage.json = "item";
  const variants = [{ type, usage, pick: self }];
  const isWanted = (item: Expr): Expr =>
    call("equal", { kind: "field", base: item, name: "resourceType", usage: tag }, text(type));
  const source = collapse(analysis.names, { ...collection, variants: [variant] });
  const decoded: Expr = { kind: "conform", base: source.expr, usage, list: source.many };
  if (source.many) {
    return { expr: filter(analysis.names, decoded, isWanted), many: true, sparse: false, variants };
  }
  return { expr: choose(isWanted(decoded), decoded), many: false, sparse: false, variants };
}

/** `is`: whether the only item is of a type; empty for the empty collection. */
export function isOfType(analysis: Analysis, collection: Collection, wanted: TypeName): Expr {
  const one = singleton(analysis, collection, "is");
  if (one.variants.length === 0) return nullOf({ kind: "scalar", type: "boolean" });
  // A primitive that has only an id or extensions is an item of its type, too.
  const present = existsIn(analysis.names, one);
  const matching = ofType(analysis, one, wanted);
  if (matching.variants.length === 0) return choose(present, boolean(false));
  return choose(present, existsIn(analysis.names, matching));
}

/** `as`: the only item if it is of the type. Several items stop the statement. */
export function asType(analysis: Analysis, collection: Collection, wanted: TypeName): Collection {
  const narrowed = ofType(analysis, collection, wanted);
  return narrowed.many ? singleton(analysis, compact(analysis.names, narrowed), "as") : narrowed;
}
