import type { Ast } from "#fhirpath";
import { analyze, type Collection, isEmpty, self } from "#fhirpath";
import { call, createUsage, type Expr, type Relation, type Usage } from "#plan";
import { at, viewError } from "./errors.js";
import type { PathExpression } from "./model.js";
import type { PathLowering, Place } from "./place.js";

/** True when every value of the path lies below its focus, so that following it again and again must come to an end. */
function descends(ast: Ast): boolean {
  switch (ast.kind) {
    case "member":
      // A capital letter starts the name of a type, which stands for the focus itself; elements start with a small one.
      return ast.target === undefined ? !/^[A-Z]/.test(ast.name) : descendsOrStays(ast.target);
    case "index":
      return descends(ast.target);
    case "call":
      if (
        [
          "where",
          "first",
          "last",
          "tail",
          "skip",
          "take",
          "ofType",
          "single",
          "distinct",
          "exclude",
          "intersect",
        ].includes(ast.name)
      ) {
        return ast.target !== undefined && descends(ast.target);
      }
      if (ast.name === "extension") return true;
      if (ast.name === "select")
        return ast.args.every((arg) => descends(arg)) || (ast.target !== undefined && descends(ast.target));
      return (
        ["union", "combine"].includes(ast.name) &&
        ast.target !== undefined &&
        descends(ast.target) &&
        ast.args.every(descends)
      );
    case "binary":
      return ast.operator === "|" && descends(ast.left) && descends(ast.right);
    case "type":
      return ast.operator === "as" && descends(ast.operand);
    default:
      return false;
  }
}

/** True when the path leads to its focus or below, never elsewhere such as back to the resource. */
function descendsOrStays(ast: Ast): boolean {
  if (ast.kind === "variable") return ast.name === "this";
  return (ast.kind === "member" && ast.target === undefined) || descends(ast);
}

function evaluate(
  lowering: PathLowering,
  expression: PathExpression,
  focus: Collection,
  outer: Place,
): Collection {
  const scope = { focus, context: focus, rowIndex: outer.rowIndex };
  const { path, ast, text } = expression;
  // A path need not fit every node: what a node type lacks is empty there, and said nothing about.
  return at(path, () => analyze(lowering.environment, ast, text, scope)).collection;
}

/** The nodes that all paths give for one focus, in order of paths, as a list of the node shape. */
function nodesBelow(found: readonly Collection[], node: Usage): Expr {
  const lists = found.map((collection): Expr => {
    for (const variant of collection.variants)
      if (variant.usage !== undefined) shareNeeds(variant.usage, node);
    const base = collection.many ? collection.expr : call("listOf", collection.expr);
    return { kind: "conform", base, usage: node, list: true };
  });
  return lists.length === 1 ? lists[0]! : call("listConcatenate", ...lists);
}

/** Properties from which nodes come must provide what nodes need. */
function shareNeeds(property: Usage, node: Usage): void {
  if (property !== node && !property.alsoUsedAs.includes(node)) property.alsoUsedAs.push(node);
}

/** The one type of all nodes. Errors: `view/unsupported-repeat`. */
function nodeType(expressions: readonly PathExpression[], found: readonly Collection[]): string {
  const types = new Set(found.flatMap((collection) => collection.variants.map((variant) => variant.type)));
  if (types.size === 1) return [...types][0]!;
  throw viewError(
    "unsupported-repeat",
    expressions[0]!.path,
    `The paths of a repeat must give nodes of one type, not ${[...types].join(" and ")}.`,
    expressions[0]!.text,
  );
}

/**
 * Lowers `repeat`: every node below the focus that the paths reach, followed again from each node (SQL on FHIR, repeat). Paths that
 * could lead back to where they start are refused, so the rows always come to an end.
 */
export function lowerRepeat(
  lowering: PathLowering,
  expressions: readonly PathExpression[],
  outer: Place,
): Place {
  for (const { ast, path, text } of expressions) {
    if (!descends(ast)) {
      throw viewError(
        "endless-repeat",
        path,
        "A repeat path must lead to elements below its focus, or it would never end.",
        text,
      );
    }
  }
  const starts = expressions
    .map((expression) => evaluate(lowering, expression, outer.focus, outer))
    .filter((c) => !isEmpty(c));
  if (starts.length === 0) {
    // Warnings tell about misspelt paths.
    for (const expression of expressions) lowering.path(expression, outer);
    return lowering.nothing(outer, false);
  }
  const { names, definitions } = lowering.environment;
  const type = nodeType(expressions, starts);
  const node = createUsage(type, false);
  const item = names.column();
  const index = names.column();
  const column: Expr = { kind: "column", name: item };
  const primitive = definitions.type(type)?.kind === "primitive";
  const focus: Collection = {
    expr: column,
    many: false,
    sparse: false,
    variants: [{ type, usage: node, pick: self }],
  };
  const steps = primitive
    ? []
    : expressions
        .map((expression) => evaluate(lowering, expression, focus, outer))
        .filter((c) => !isEmpty(c));
  if (steps.length > 0) nodeType(expressions, [...starts, ...steps]);
  for (const step of steps)
    for (const variant of step.variants) if (variant.usage !== undefined) variant.usage.json = "value";
  const keepEmpty = outer.present === undefined ? {} : { keepEmpty: call("not", outer.present) };
  const start = nodesBelow(starts, node);
  const relation: Relation =
    steps.length === 0
      ? { kind: "unnest", input: outer.relation, list: start, item, index, ...keepEmpty }
      : {
          kind: "repeat",
          input: outer.relation,
          start,
          step: nodesBelow(steps, node),
          item,
          index,
          ...keepEmpty,
        };
  const rowIndex: Expr = { kind: "column", name: index };
  const place = { relation, focus, rowIndex };
  return outer.present === undefined ? place : { ...place, present: call("isNotNull", column) };
}
