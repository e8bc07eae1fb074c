export { type AnalyzedExpression, analyze, plainCollection, predicate } from "./analyze.js";
export type { Ast, BinaryOperator, LiteralValue } from "./ast.js";
export {
  type Collection,
  compact,
  existsIn,
  isEmpty,
  isPlain,
  isResource,
  itemPresent,
  mayFail,
  NameSource,
  self,
  type Variant,
} from "./collection.js";
export { onlyItem } from "./convert.js";
export { caret, type FhirPathProblem, fhirPathError, type Span } from "./errors.js";
export { COMPUTED_DECIMAL, type Family, familyOf, resolveTypeName } from "./family.js";
export { functionNames } from "./functions/registry.js";
export { parse } from "./parser.js";
export { print } from "./printer.js";
export type { ConstantValue, Environment, Scope, Warning } from "./scope.js";
