/**
 * The filters of a URL, in the manner of PostgREST, as conditions:
 *
 *     parameter  = column "=" ( test | bare value )           filters of several parameters are joined by AND
 *                | [ "not." ] ( "and" | "or" ) "=" "(" member *( "," member ) ")"
 *     member     = column "." test | [ "not." ] ( "and" | "or" ) "(" member *( "," member ) ")"
 *     test       = [ "not." ] operator "." operand
 *     operand    = value | "null" | "not_null" | "true" | "false" | "(" value *( "," value ) ")"
 *
 * In members and lists a value ends at a comma or parenthesis unless it stands in double quotes; in a parameter of its own it is the
 * whole rest, quotes and all. A bare value asks for equality. One that begins with two to six lower-case letters and a dot is read as a test,
 * so that a mistyped operator is refused instead of being searched for; `eq.` before it makes it a value.
 */
import { didYouMean } from "#kernel";
import { type ColumnOperator, type Condition, columnOperators, type ValueOperator } from "#query";
import { badRequest } from "../http/errors.js";
import { TextReader } from "./text-reader.js";

/** Groups within groups; deeper ones are no question that a person asks. */
const MAX_DEPTH = 12;

const operatorPattern = /[a-z_]+(?=\.|$)/y;
const memberColumn = /[^.,()"]+/y;
const memberValue = /[^,()]*/y;

/** True when the value of a column's parameter names an operator, and is not the value to look for itself. */
export function isTest(text: string): boolean {
  return /^(?:[a-z]{2,6}|not)\./.test(text);
}

function isOperator(name: string): name is ColumnOperator {
  return (columnOperators as readonly string[]).includes(name);
}

/** Reads one test; `nested` when a comma or parenthesis ends it. */
class TestReader {
  private readonly reader: TextReader;
  private readonly column: string;
  private readonly nested: boolean;

  constructor(reader: TextReader, column: string, nested: boolean) {
    this.reader = reader;
    this.column = column;
    this.nested = nested;
  }

  read(): Condition {
    const { reader } = this;
    const negated = reader.take("not.");
    const condition = this.positive();
    if (!this.nested && !reader.done) throw reader.error("nothing more is expected");
    return negated ? { operator: "not", condition } : condition;
  }

  private positive(): Condition {
    const { reader, column } = this;
    const start = reader.at;
    const name = reader.match(operatorPattern) ?? "";
    if (!isOperator(name)) {
      reader.at = start;
      throw unknownOperator(column, name);
    }
    reader.expect(".", `after the operator ${name}`);
    if (name === "is") return this.is();
    if (name === "in" || name === "cs" || name === "ov") {
      return { operator: name, column, values: this.list(name) };
    }
    return { operator: name satisfies ValueOperator, column, value: this.value() };
  }

  private is(): Condition {
    const { reader, column } = this;
    const what = reader.match(/[a-z_]+/y);
    if (what === "null" || what === "true" || what === "false")
      return { operator: "is", column, value: what };
    if (what === "not_null") {
      return { operator: "not", condition: { operator: "is", column, value: "null" } };
    }
    throw reader.error("is. goes with null, not_null, true or false");
  }

  private value(): string {
    const { reader } = this;
    if (!this.nested) return reader.rest();
    return reader.quoted() ?? reader.match(memberValue) ?? "";
  }

  /** `(a,b)`; of lists also `{a,b}`, as PostgREST writes it, and one value alone. */
  private list(operator: "in" | "cs" | "ov"): string[] {
    const { reader } = this;
    const close = reader.take("(") ? ")" : operator !== "in" && reader.take("{") ? "}" : undefined;
    if (close === undefined) {
      if (operator === "in") throw reader.error("in. goes with a list, such as in.(a,b)");
      return [this.value()];
    }
    const values: string[] = [];
    const plain = close === ")" ? memberValue : /[^,{}]*/y;
    do {
      values.push(reader.quoted() ?? reader.match(plain) ?? "");
    } while (reader.take(","));
    reader.expect(close, "at the end of a list (values with commas or parentheses stand in double quotes)");
    return values;
  }
}

function unknownOperator(column: string, name: string): Error {
  const hint = didYouMean(name, columnOperators);
  return badRequest(
    "unknown-operator",
    `There is no operator '${name.slice(0, 16)}' for column '${column.slice(0, 64)}'.${hint} The operators are ${columnOperators.join(", ")}, each also after 'not.'; to look for this very text, write eq. before it.`,
    { column: column.slice(0, 64), operators: columnOperators },
  );
}

function members(reader: TextReader, depth: number): Condition[] {
  if (depth > MAX_DEPTH) throw reader.error(`groups nest at most ${MAX_DEPTH} deep`);
  reader.expect("(", "before the members of a group");
  const found: Condition[] = [];
  do {
    found.push(member(reader, depth));
  } while (reader.take(","));
  reader.expect(")", "at the end of a group");
  return found;
}

function member(reader: TextReader, depth: number): Condition {
  const group = reader.match(/(?:not\.)?(?:and|or)(?=\()/y);
  if (group !== undefined) return groupOf(group, members(reader, depth + 1));
  const column = reader.quoted() ?? reader.match(memberColumn);
  if (column === undefined || column === "") throw reader.error("a column, and( or or( is expected");
  reader.expect(".", "between a column and its operator");
  return new TestReader(reader, column, true).read();
}

function groupOf(name: string, conditions: readonly Condition[]): Condition {
  const group: Condition = { operator: name.endsWith("and") ? "and" : "or", conditions };
  return name.startsWith("not.") ? { operator: "not", condition: group } : group;
}

/** The parameters that hold groups. */
export const groupParameters = ["and", "or", "not.and", "not.or"] as const;

/** The condition in a group parameter. Fails with `serving/bad-syntax` or `serving/unknown-operator`. */
export function parseGroup(name: (typeof groupParameters)[number], text: string): Condition {
  const reader = new TextReader(name, text);
  const conditions = members(reader, 1);
  if (!reader.done) throw reader.error("nothing more is expected");
  return groupOf(name, conditions);
}

/** The condition in a column's parameter; see {@link parseGroup} for its errors. */
export function parseColumnFilter(column: string, text: string): Condition {
  if (!isTest(text)) return { operator: "eq", column, value: text };
  return new TestReader(new TextReader(column, text), column, false).read();
}
