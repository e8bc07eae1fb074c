import { parseColumnType, quoteIdentifier, quoteLiteral } from "#duckdb";
import { LakeError } from "#kernel";
import { checkValue } from "../column-value.js";
import { badValue } from "../errors.js";
import type { Bindings } from "./bindings.js";
import type { QuestionColumn, QuestionColumns } from "./columns.js";
import type { Condition, ValueOperator } from "./condition.js";

/** Conditions of one question, and values of one list: more is no question that a person asks by URL. */
const MOST_CONDITIONS = 500;
const MOST_VALUES = 5_000;
/** Each wildcard multiplies the ways in which a pattern can fail. */
const MOST_WILDCARDS = 8;

const comparisons: Readonly<Record<Exclude<ValueOperator, "like" | "ilike">, string>> = {
  eq: "=",
  neq: "<>",
  gt: ">",
  gte: ">=",
  lt: "<",
  lte: "<=",
};

function refuse(code: string, message: string, details: Readonly<Record<string, unknown>>): LakeError {
  return new LakeError("invalid-input", `query/${code}`, message, { details });
}

/** `*` and `%` to `%`, `\x` to a literal `x`; fails on a backslash at the end and on too many wildcards. */
function likePattern(column: string, text: string): string {
  let pattern = "";
  let wildcards = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (character === "\\") {
      at++;
      if (at >= text.length)
        throw badValue(column, "a pattern: a backslash stands before the character that it frees");
      pattern += /[%_\\]/.test(text[at]!) ? `\\${text[at]}` : text[at];
    } else {
      const isWild = character === "*" || character === "%";
      if (isWild) wildcards++;
      pattern += isWild ? "%" : character;
    }
  }
  if (wildcards > MOST_WILDCARDS)
    throw badValue(column, `a pattern with at most ${MOST_WILDCARDS} wildcards`);
  return pattern;
}

/** Conditions as SQL over the columns of a relation called `_view`. Identifiers come from the catalog and are quoted, values are bound. */
export class ConditionSql {
  private readonly columns: QuestionColumns;
  private readonly bindings: Bindings;
  private count = 0;
  /** Columns that the conditions name. */
  readonly used = new Set<string>();

  constructor(columns: QuestionColumns, bindings: Bindings) {
    this.columns = columns;
    this.bindings = bindings;
  }

  /** One condition as a parenthesised expression. Fails with the codes of bad questions. */
  sql(condition: Condition): string {
    if (++this.count > MOST_CONDITIONS) {
      throw refuse("too-many-conditions", `A question has at most ${MOST_CONDITIONS} conditions.`, {});
    }
    switch (condition.operator) {
      case "and":
      case "or":
        return this.group(condition.operator, condition.conditions);
      case "not":
        return `(NOT ${this.sql(condition.condition)})`;
      case "in":
        return this.oneOf(this.scalar(condition.column), condition.values);
      case "cs":
      case "ov":
        return this.listHas(condition);
      case "is":
        return this.is(condition);
      default:
        return this.compare(this.scalar(condition.column), condition);
    }
  }

  private group(operator: "and" | "or", conditions: readonly Condition[]): string {
    if (conditions.length === 0) {
      throw refuse("bad-condition", `'${operator}' joins at least one condition.`, {});
    }
    return `(${conditions.map((one) => this.sql(one)).join(` ${operator.toUpperCase()} `)})`;
  }

  private column(name: string): QuestionColumn {
    const column = this.columns.find(name, "a filter");
    this.used.add(column.name);
    return column;
  }

  private scalar(name: string): QuestionColumn {
    const column = this.column(name);
    if (column.type.kind !== "list") return column;
    throw refuse(
      "list-filter",
      `Column '${name}' holds lists; ask for lists that hold a value (cs.value), all of several (cs.(a,b)) or one of them (ov.(a,b)).`,
      { column: name },
    );
  }

  private value(column: QuestionColumn, text: string, sqlType = column.sqlType): string {
    return this.bindings.bind(checkValue(column.name, parseColumnType(sqlType), text), sqlType);
  }

  private values(column: QuestionColumn, texts: readonly string[], sqlType?: string): string {
    if (texts.length === 0 || texts.length > MOST_VALUES) {
      throw refuse(
        "bad-condition",
        `A list of values for '${column.name}' has 1 to ${MOST_VALUES} of them.`,
        {
          column: column.name,
        },
      );
    }
    return texts.map((text) => this.value(column, text, sqlType)).join(", ");
  }

  private oneOf(column: QuestionColumn, values: readonly string[]): string {
    return `(${at(column)} IN (${this.values(column, values)}))`;
  }

  private listHas({ column: name, operator, values }: Condition & { operator: "cs" | "ov" }): string {
    const column = this.column(name);
    if (column.type.kind !== "list") {
      throw refuse("not-a-list", `Column '${name}' holds no lists; compare it with eq or in.`, {
        column: name,
      });
    }
    const item = column.sqlType.slice(0, -2);
    const has = operator === "cs" ? "list_has_all" : "list_has_any";
    return `${has}(${at(column)}, [${this.values(column, values, item)}])`;
  }

  private is({ column: name, value }: Condition & { operator: "is" }): string {
    const column = this.column(name);
    if (value === "null") return `(${at(column)} IS NULL)`;
    if (column.type.kind !== "boolean") {
      throw refuse(
        "bad-condition",
        `Column '${name}' is not true or false; is.null is what can be asked of it.`,
        {
          column: name,
        },
      );
    }
    return `(${at(column)} IS ${value.toUpperCase()})`;
  }

  private compare(
    column: QuestionColumn,
    { operator, value }: { readonly operator: ValueOperator; readonly value: string },
  ): string {
    if (operator === "like" || operator === "ilike") {
      if (column.type.kind !== "text") {
        throw refuse(
          "not-text",
          `Column '${column.name}' holds no text, so it cannot be compared with ${operator}.`,
          {
            column: column.name,
          },
        );
      }
      const pattern = this.value(column, likePattern(column.name, value));
      return `(${at(column)} ${operator.toUpperCase()} ${pattern} ESCAPE ${quoteLiteral("\\")})`;
    }
    if (operator !== "eq" && operator !== "neq") this.columns.requireOrdered(column, "a filter");
    return `(${at(column)} ${comparisons[operator]} ${this.value(column, value)})`;
  }
}

/** A column of the relation. */
function at(column: QuestionColumn): string {
  return `_view.${quoteIdentifier(column.name)}`;
}
