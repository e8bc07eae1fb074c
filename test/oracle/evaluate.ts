import { dataOf, ExactDecimal, type Item, keyPrefixVariable, resourceNode } from "./engine.js";
import { expression } from "./expression.js";
import { OracleError, UnspecifiedError } from "./values.js";
import { type Column, columnsOf, readView, type Select, type View } from "./view.js";

/** A number in an oracle row: its digits, and whether only its value (or only roughly its value) is to be compared. */
export interface OracleNumber {
  readonly digits: string;
  readonly origin: "written" | "computed" | "rounded";
}

export type OracleCell = null | boolean | string | OracleNumber | readonly OracleCell[];
export type OracleRow = Readonly<Record<string, OracleCell>>;

/** Nodes that one `repeat` may reach before it is called endless. */
const repeatLimit = 20_000;

/** Rows that one resource may give before the oracle gives up; sibling iterations multiply. */
const productLimit = 50_000;

interface Scope {
  readonly constants: Readonly<Record<string, unknown>>;
  readonly focus: Item;
  readonly rowIndex: number;
  readonly trouble: { seen: boolean };
}

function evaluate(path: string, scope: Scope): Item[] {
  return expression(path).evaluate(scope.focus, { ...scope.constants, rowIndex: scope.rowIndex });
}

function cellOf(item: Item): OracleCell {
  const data = dataOf(item);
  if (typeof data === "boolean" || typeof data === "string") return data;
  if (typeof data === "number" || typeof data === "bigint") {
    return Number.isInteger(Number(data))
      ? { digits: String(data), origin: "written" }
      : { digits: String(data), origin: "rounded" };
  }
  if (data instanceof ExactDecimal) return { digits: data.exact.text, origin: data.exact.origin };
  const text = (data as { asStr?: string } | null)?.asStr;
  if (text !== undefined) return text.replace(/T$/, "");
  throw new UnspecifiedError("a column's value is not primitive");
}

function columnValue(column: Column, scope: Scope): OracleCell {
  const items = evaluate(column.path, scope).filter((item) => dataOf(item) !== null);
  if (column.collection) return items.map(cellOf);
  if (items.length > 1) throw new OracleError(`column ${column.name} has ${items.length} values`);
  return items.length === 0 ? null : cellOf(items[0]!);
}

/** The error of a column, kept until it is known that its row comes out: an empty sibling may still remove it. */
class Postponed {
  readonly error: unknown;
  readonly digits = "";
  readonly origin = "written";
  constructor(error: unknown) {
    this.error = error;
  }
}

function cellIn(column: Column, scope: Scope): OracleCell {
  try {
    return columnValue(column, scope);
  } catch (error) {
    scope.trouble.seen = true;
    return new Postponed(error);
  }
}

function emitted(row: OracleRow): OracleRow {
  for (const cell of Object.values(row)) if (cell instanceof Postponed) throw cell.error;
  return row;
}

function repeated(paths: readonly string[], scope: Scope): Item[] {
  const found: Item[] = [];
  const visit = (focus: Item): void => {
    for (const path of paths) {
      for (const child of evaluate(path, { ...scope, focus })) {
        if (found.push(child) > repeatLimit) throw new OracleError("repeat does not end");
        visit(child);
      }
    }
  };
  try {
    visit(scope.focus);
  } catch (error) {
    throw error instanceof RangeError ? new OracleError("repeat does not end") : error;
  }
  return found;
}

function fociOf(select: Select, scope: Scope): Scope[] {
  const { iteration } = select;
  if (iteration.kind === "none") return [scope];
  const items =
    iteration.kind === "repeat" ? repeated(iteration.paths, scope) : evaluate(iteration.path, scope);
  return items.map((focus, rowIndex) => ({ ...scope, focus, rowIndex }));
}

function nullRow(select: Select): OracleRow {
  const zero: OracleNumber = { digits: "0", origin: "written" };
  return Object.fromEntries(
    columnsOf(select).map((column) => [column.name, column.path.trim() === "%rowIndex" ? zero : null]),
  );
}

function product(parts: readonly (readonly OracleRow[])[]): OracleRow[] {
  let rows: OracleRow[] = [{}];
  for (const part of parts) {
    if (rows.length * part.length > productLimit) throw new UnspecifiedError("too many rows");
    rows = rows.flatMap((row) => part.map((addition) => ({ ...row, ...addition })));
  }
  return rows;
}

function process(select: Select, scope: Scope): OracleRow[] {
  const foci = fociOf(select, scope);
  if (foci.length === 0 && select.iteration.kind === "forEachOrNull") return [nullRow(select)];
  return foci.flatMap((inner) => {
    const own = Object.fromEntries(select.columns.map((column) => [column.name, cellIn(column, inner)]));
    const parts: OracleRow[][] = [[own], ...select.selects.map((nested) => process(nested, inner))];
    if (select.unionAll.length > 0) parts.push(select.unionAll.flatMap((branch) => process(branch, inner)));
    return product(parts);
  });
}

function holds(path: string, scope: Scope): boolean {
  const items = evaluate(path, scope);
  if (items.length > 1) throw new OracleError("a where condition has several values");
  const value = items.length === 0 ? false : dataOf(items[0]!);
  if (value !== null && typeof value !== "boolean") throw new OracleError("a where condition is not boolean");
  return value === true;
}

/** A condition that fails counts only where no other one excludes the resource: their order is not specified. */
function included(view: View, scope: Scope): boolean {
  const failures: OracleError[] = [];
  let all = true;
  for (const path of view.where) {
    try {
      all = holds(path, scope) && all;
    } catch (error) {
      if (!(error instanceof OracleError)) throw error;
      failures.push(error);
    }
  }
  if (all && failures[0] !== undefined) throw failures[0];
  if (failures.length > 0) scope.trouble.seen = true;
  return all;
}

/** What a view gives. */
export interface OracleResult {
  readonly columns: readonly string[];
  readonly rows: OracleRow[];
  /**
   * True when a column of a row that was dropped later (an empty sibling iteration), or a condition beside one that is not true, is an
   * error: the specification does not say whether such an expression is evaluated at all.
   */
  readonly droppedError: boolean;
}

/**
 * The rows of a view over resources, one resource after another, in the specification's order. Resources of other types
 * are passed over; `keyPrefix` stands before every key. Throws {@link OracleError} for every error that the specification asks for.
 */
export function evaluateView(
  definition: unknown,
  resources: Iterable<Record<string, unknown>>,
  keyPrefix = "",
): OracleResult {
  const view = readView(definition);
  const constants = { ...view.constants, [keyPrefixVariable]: keyPrefix };
  const rows: OracleRow[] = [];
  const trouble = { seen: false };
  for (const resource of resources) {
    if (resource["resourceType"] !== view.resource) continue;
    const scope: Scope = { constants, focus: resourceNode(resource), rowIndex: 0, trouble };
    if (!included(view, scope)) continue;
    for (const row of product(view.select.map((select) => process(select, scope)))) rows.push(emitted(row));
  }
  return { columns: view.columns, rows, droppedError: trouble.seen };
}
