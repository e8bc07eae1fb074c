import { type ColumnType, parseColumnType, quoteIdentifier, quoteLiteral } from "#duckdb";
import { LakeError } from "#kernel";
import type { SnapshotView, ViewColumn } from "../catalog.js";
import { unknownColumn } from "../errors.js";

/** A column that a question may name: one of the view, or one that is derived from others. */
export interface QuestionColumn extends ViewColumn {
  readonly type: ColumnType;
  /** True for text that holds FHIR decimals: it cannot be put in order as text. */
  readonly decimalText: boolean;
  /** SQL over the view's own columns, where it is derived. */
  readonly derivedFrom?: string;
}

/** What derived columns are computed with. */
export interface DerivationContext {
  /** The day at which ages are taken, ISO. */
  readonly ageAt: string;
}

function described(column: ViewColumn): QuestionColumn {
  const type = parseColumnType(column.sqlType);
  const decimalText =
    column.fhirType === "decimal" &&
    (type.kind === "text" || (type.kind === "list" && type.item.kind === "text"));
  return { ...column, type, decimalText };
}

function dateColumn(view: SnapshotView, ...names: readonly string[]): string | undefined {
  const found = view.columns.find(({ name, sqlType }) => names.includes(name) && sqlType === "DATE");
  return found === undefined ? undefined : quoteIdentifier(found.name);
}

function derived(name: string, path: string, description: string, sql: string): QuestionColumn {
  const column = { name, path, description, fhirType: "integer", sqlType: "INTEGER", collection: false };
  return { ...described(column), derivedFrom: sql };
}

/**
 * The columns that a view has beyond its own: where it holds dates of birth, the age in whole years at a day. `age` is NULL when
 * a partial date of birth allows more than one; `age_min` and `age_max` are the bounds.
 */
export function derivedColumns(view: SnapshotView, { ageAt }: DerivationContext): readonly QuestionColumn[] {
  const [first, last] = [
    dateColumn(view, "birth_date_start", "birth_date"),
    dateColumn(view, "birth_date_end", "birth_date"),
  ];
  if (first === undefined || last === undefined) return [];
  const day = `CAST(${quoteLiteral(ageAt)} AS DATE)`;
  const years = (from: string): string =>
    `CASE WHEN ${from} <= ${day} THEN CAST(date_sub('year', ${from}, ${day}) AS INTEGER) END`;
  const own = new Set(view.columns.map(({ name }) => name.toLowerCase()));
  return [
    derived(
      "age",
      "birthDate",
      "Age in whole years at the day of the snapshot, or at age_at; null when a partial date of birth leaves it open.",
      `CASE WHEN (${years(first)}) = (${years(last)}) THEN ${years(first)} END`,
    ),
    derived(
      "age_min",
      "birthDate",
      "The least age in whole years that the date of birth allows at that day.",
      years(last),
    ),
    derived(
      "age_max",
      "birthDate",
      "The greatest age in whole years that the date of birth allows at that day.",
      years(first),
    ),
  ].filter(({ name }) => !own.has(name));
}

/**
 * The column whose values lie together in the files of a view: that of the patient, by whom a lake sorts resources. Undefined where the
 * view shows none.
 */
export function clusteredColumn({
  resource,
  columns,
}: Pick<SnapshotView, "resource" | "columns">): string | undefined {
  const isPatient = (path: string): boolean =>
    resource === "Patient" ? path === "getResourceKey()" : /(^|\.)getReferenceKey\(Patient\)$/.test(path);
  return columns.find(
    ({ path, sqlType, collection }) => sqlType === "VARCHAR" && !collection && isPatient(path),
  )?.name;
}

/** The columns that a question to a view may name. */
export class QuestionColumns {
  readonly view: SnapshotView;
  /** The column that rows are sorted by where nothing else is asked for, before their key: pages then read one piece of a file each. */
  readonly clustered: QuestionColumn | undefined;
  private readonly byName: ReadonlyMap<string, QuestionColumn>;
  private readonly derived: readonly QuestionColumn[];

  constructor(view: SnapshotView, context: DerivationContext) {
    this.view = view;
    this.derived = derivedColumns(view, context);
    const all = [...view.columns.map(described), ...this.derived];
    this.byName = new Map(all.map((column) => [column.name, column]));
    const clustered = clusteredColumn(view);
    this.clustered = clustered === undefined ? undefined : this.byName.get(clustered);
  }

  /** The view's own columns, in its order. */
  own(): readonly QuestionColumn[] {
    return this.view.columns.map(({ name }) => this.byName.get(name)!);
  }

  /** The column of that name; fails with `query/unknown-column`, naming the nearest. `role` completes "which … names". */
  find(name: string, role: string): QuestionColumn {
    const column = this.byName.get(name);
    if (column === undefined) throw unknownColumn(name, this.view, role, [...this.byName.keys()]);
    return column;
  }

  /** Fails with `query/no-order` unless values of the column follow each other as their SQL type says. */
  requireOrdered(column: QuestionColumn, role: string): void {
    const { name, type, fhirType } = column;
    const isText = type.kind === "text";
    const asText = isText && (column.decimalText || ["dateTime", "instant", "time"].includes(fhirType ?? ""));
    if (!asText && type.kind !== "list" && type.kind !== "other") return;
    const beside = this.view.columns.filter(
      (other) => other.name.startsWith(stem(name)) && parseColumnType(other.sqlType).kind !== "text",
    );
    const way = beside.map((other) => `'${other.name}'`).slice(0, 3);
    const reason = asText
      ? "holds text as the source wrote it, whose order is not that of its values"
      : "holds lists or nested values, which have no order";
    throw new LakeError(
      "invalid-input",
      "query/no-order",
      `Column '${name}', which ${role} names, ${reason}${way.length === 0 ? "" : `; use ${way.join(" or ")}`}.`,
      { details: { column: name, beside: beside.map((other) => other.name) } },
    );
  }

  /** The view's rows with those derived columns that are used. */
  relation(rows: string, used: ReadonlySet<string>): string {
    const items = this.derived
      .filter(({ name }) => used.has(name))
      .map(({ name, derivedFrom }) => `${derivedFrom} AS ${quoteIdentifier(name)}`);
    return items.length === 0 ? rows : `(SELECT *, ${items.join(", ")} FROM ${rows})`;
  }
}

/** `value_text` and `value_number` have one stem. */
function stem(name: string): string {
  return name.endsWith("_text") ? name.slice(0, -"text".length) : `${name}_`;
}
