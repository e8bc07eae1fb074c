export { allOf, boolean, call, cast, choose, integer, nullOf, text } from "./build.js";
export {
  BIGINT,
  BOOLEAN,
  type DataType,
  INTEGER,
  JSON_TEXT,
  listOf,
  NUMBER,
  type ScalarType,
  sameType,
  TEXT,
} from "./data-type.js";
export { explainExpr, explainPlan } from "./explain.js";
export type { Expr, FailureCode, Operation, SystemColumn } from "./expression.js";
export { costOf } from "./expression-facts.js";
export type { NamedExpr, OutputColumn, Plan, Relation, UnionBranch } from "./relation.js";
export { shareSubexpressions } from "./share.js";
export { childUsage, createUsage, itemShape, readUsage, type Usage, usageShape } from "./usage.js";
export { children, contains, mapChildren, nullWith, substitute } from "./walk.js";
