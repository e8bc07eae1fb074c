import { quoteIdentifier } from "#duckdb";
import type { Bindings } from "./bindings.js";
import type { QuestionColumn } from "./columns.js";

/** One column that rows are sorted by. */
export interface SortColumn {
  readonly column: QuestionColumn;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
}

/**
 * A place between two rows of a sorted answer: that of the last row before it, as text, and how many rows before it are sorted alike
 * by these (rows of one resource). The order among those is fixed by their values, so that a count tells where to go on.
 */
export interface Position {
  /** Of the sort columns; null for NULL. */
  readonly values: readonly (string | null)[];
  readonly key: string;
  readonly skip: number;
}

const KEY = "_view._lake_key";

/** A column of the relation. */
function at(column: QuestionColumn): string {
  return `_view.${quoteIdentifier(column.name)}`;
}

/** The items of ORDER BY: the sort columns, then the resource key. */
export function orderItems(sort: readonly SortColumn[]): string[] {
  const items = sort.map(
    ({ column, descending, nullsFirst }) =>
      `${at(column)} ${descending ? "DESC" : "ASC"} NULLS ${nullsFirst ? "FIRST" : "LAST"}`,
  );
  return [...items, `${KEY} ASC`];
}

/** Under which name a row carries the value of a sort column, or its key: names that no column of an answer may have. */
export function sortName(index: number | "key"): string {
  return `_lake_sort_${index}`;
}

/** What is selected to know the place of a row: the sort columns and the key. */
export function placeItems(sort: readonly SortColumn[]): string[] {
  const items = sort.map(({ column }, index) => `${at(column)} AS ${sortName(index)}`);
  return [...items, `${KEY} AS ${sortName("key")}`];
}

/** True for rows sorted after the place by this column, given that those before it are equal; undefined where none can be. */
function after(sort: SortColumn, value: string | null, bindings: Bindings): string | undefined {
  const column = at(sort.column);
  if (value === null) return sort.nullsFirst ? `${column} IS NOT NULL` : undefined;
  const further = `${column} ${sort.descending ? "<" : ">"} ${bindings.bind(value, sort.column.sqlType)}`;
  return sort.nullsFirst ? further : `(${further} OR ${column} IS NULL)`;
}

function equal({ column }: SortColumn, value: string | null, bindings: Bindings): string {
  return value === null ? `${at(column)} IS NULL` : `${at(column)} = ${bindings.bind(value, column.sqlType)}`;
}

function beyond(sort: readonly SortColumn[], position: Position, bindings: Bindings, key: string): string {
  const ways: string[] = [];
  const before: string[] = [];
  sort.forEach((one, index) => {
    const value = position.values[index] ?? null;
    const further = after(one, value, bindings);
    if (further !== undefined) ways.push([...before, further].join(" AND "));
    before.push(equal(one, value, bindings));
  });
  ways.push([...before, key].join(" AND "));
  return ways.map((way) => `(${way})`).join(" OR ");
}

/** Rows from a position on, those that are sorted alike with it included. Never NULL. */
export function fromPosition(sort: readonly SortColumn[], position: Position, bindings: Bindings): string {
  const key = `${KEY} >= ${bindings.plain(position.key)}`;
  return sort.length === 0 ? key : `coalesce(${beyond(sort, position, bindings, key)}, false)`;
}
