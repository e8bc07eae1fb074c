import { typeText } from "./data-type.js";
import type { Expr } from "./expression.js";
import type { NamedExpr, Plan, Relation } from "./relation.js";

/** An expression as one line of dialect-free text, for people and golden files. */
export function explainExpr(expr: Expr): string {
  switch (expr.kind) {
    case "literal":
      return JSON.stringify(expr.value);
    case "null":
      return `null:${typeText(expr.type)}`;
    case "row":
      return "resource";
    case "system":
      return `@${expr.name}`;
    case "column":
    case "variable":
      return expr.name;
    case "field":
      return expr.base.kind === "row" ? expr.name : `${explainExpr(expr.base)}.${expr.name}`;
    case "conform":
      return `conform(${explainExpr(expr.base)}, ${expr.usage.type}${expr.list ? "[]" : ""})`;
    case "call": {
      const type = expr.type === undefined ? "" : `:${typeText(expr.type)}`;
      return `${expr.operation}${type}(${expr.args.map(explainExpr).join(", ")})`;
    }
    case "transform":
    case "filter": {
      const names = expr.index === undefined ? expr.variable : `${expr.variable}, ${expr.index}`;
      return `${expr.kind}(${explainExpr(expr.list)}, ${names} => ${explainExpr(expr.body)})`;
    }
    case "case": {
      const when = expr.when.map(([test, then]) => `${explainExpr(test)} ? ${explainExpr(then)}`);
      return `(${[...when, expr.otherwise === undefined ? "null" : explainExpr(expr.otherwise)].join(" : ")})`;
    }
    case "struct":
      return `{${expr.fields.map(([name, value]) => `${name}: ${explainExpr(value)}`).join(", ")}}`;
    case "fail":
      return `fail(${expr.code}, ${JSON.stringify(expr.subject)})`;
  }
}

function columnsText(columns: readonly NamedExpr[], indent: string): string[] {
  return columns.map(({ name, expr }) => `${indent}${name} := ${explainExpr(expr)}`);
}

function explainRelation(relation: Relation, indent: string): string[] {
  const inner = `${indent}  `;
  const names = (node: { item: string; index?: string }) =>
    node.index === undefined ? node.item : `${node.item}, ${node.index}`;
  const keep = (expr: Expr | undefined) => (expr === undefined ? "" : ` keep empty if ${explainExpr(expr)}`);
  switch (relation.kind) {
    case "scan":
      return [`${indent}scan`];
    case "shared":
      return [`${indent}shared ${relation.name}`];
    case "filter":
      return [
        `${indent}filter ${explainExpr(relation.predicate)}`,
        ...explainRelation(relation.input, inner),
      ];
    case "extend":
      return [
        `${indent}extend`,
        ...columnsText(relation.columns, `${inner}| `),
        ...explainRelation(relation.input, inner),
      ];
    case "unnest":
      return [
        `${indent}unnest ${names(relation)} of ${explainExpr(relation.list)}${keep(relation.keepEmpty)}`,
        ...explainRelation(relation.input, inner),
      ];
    case "repeat":
      return [
        `${indent}repeat ${names(relation)} from ${explainExpr(relation.start)} by ${explainExpr(relation.step)}${keep(relation.keepEmpty)}`,
        ...explainRelation(relation.input, inner),
      ];
    case "union":
      return [
        `${indent}union ${relation.name}`,
        ...relation.branches.flatMap((branch) => [
          `${inner}branch`,
          ...columnsText(branch.columns, `${inner}  | `),
          ...explainRelation(branch.relation, `${inner}  `),
        ]),
        ...explainRelation(relation.input, inner),
      ];
  }
}

/** The plan as an indented tree, output first: what `explain` shows above the SQL. */
export function explainPlan(plan: Plan): string {
  return [
    `project ${plan.resource}`,
    ...plan.columns.map(({ name, type, expr }) => `  | ${name}: ${typeText(type)} := ${explainExpr(expr)}`),
    ...(plan.check === undefined ? [] : [`  check ${explainExpr(plan.check)}`]),
    ...explainRelation(plan.relation, "  "),
  ].join("\n");
}
