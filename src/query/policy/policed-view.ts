import path from "node:path";
import { type Database, quoteIdentifier, quoteLiteral, writeParquet } from "#duckdb";
import type { KeyRange, SnapshotView, ViewColumn } from "../catalog.js";
import { definedColumns } from "../defined-columns.js";
import { type ColumnRule, changesValues, type RowRule, SHIFT_DAYS, type ViewPolicy } from "./policy.js";
import { prunedDefinition } from "./pruned-definition.js";
import { keyedHash, ruleSql } from "./rule-sql.js";
import { safeRule } from "./safe-rules.js";

/** The column that says whose a row is. */
const PATIENT = "patient_key";

/** What a view looks like under a policy, before its SQL is made. */
export interface PolicedShape {
  /** By name of each column that is not dropped. */
  readonly rules: ReadonlyMap<string, Exclude<ColumnRule, "drop">>;
  readonly rows: readonly RowRule[];
  /** Why the view cannot be shown at all; undefined when it can. */
  readonly misfit: string | undefined;
}

function own<T>(record: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined;
}

/** True when the policy lets the view exist at all, as far as its name and type say. */
export function isNamed(policy: ViewPolicy, view: SnapshotView): boolean {
  if (policy.views !== undefined && !policy.views.includes(view.name)) return false;
  if (policy.resources !== undefined && !policy.resources.includes(view.resource)) return false;
  // Rows under `*` are for every view: one that cannot be judged by them is not shown.
  const everywhere = own(policy.rows, "*") ?? [];
  return everywhere.every(({ column }) => view.columns.some(({ name }) => name === column));
}

/** A view over what the lake knows of itself, which holds nothing of persons. */
function isSystem(view: SnapshotView): boolean {
  return view.revision !== undefined && view.resource === "";
}

/** The rules of a view's columns and rows. */
export async function policedShape(view: SnapshotView, policy: ViewPolicy): Promise<PolicedShape> {
  const special = own(policy.columns, view.name) ?? {};
  const general = own(policy.columns, "*") ?? {};
  const rows = [...(own(policy.rows, "*") ?? []), ...(own(policy.rows, view.name) ?? [])];
  const known = new Set(view.columns.map(({ name }) => name));
  const missing = [...Object.keys(special), ...rows.map(({ column }) => column)].find(
    (name) => !known.has(name),
  );
  const safe = policy.deidentify === true && !isSystem(view);
  const classes = safe ? definedColumns(await view.definition?.()) : undefined;
  const hasPatient = known.has(PATIENT);
  const rules = new Map<string, Exclude<ColumnRule, "drop">>();
  let unfit: string | undefined;
  for (const column of view.columns) {
    const preset =
      classes === undefined ? "keep" : safeRule({ column, phi: classes.get(column.name)?.phi, hasPatient });
    const rule = own(special, column.name) ?? own(general, column.name) ?? preset;
    if (rule === "drop") continue;
    const context = { key: "", day: "2000-01-01", columns: view.columns };
    const fits = ruleSql(column, rule, context) !== undefined && (rule !== "shift" || hasPatient);
    if (!fits) unfit ??= `rule '${rule}' does not fit column '${column.name}' of type ${column.sqlType}`;
    rules.set(column.name, rule);
  }
  const misfit = missing === undefined ? unfit : `a rule names column '${missing}', which it does not have`;
  return { rules, rows, misfit };
}

function rowSql(rule: RowRule): string {
  const value = `CAST(_raw.${quoteIdentifier(rule.column)} AS VARCHAR)`;
  const list = (values: readonly string[]): string => values.map((one) => quoteLiteral(one)).join(", ");
  if ("startsWith" in rule) {
    const tests = rule.startsWith.map((start) => `starts_with(${value}, ${quoteLiteral(start)})`);
    return tests.length === 0 ? "false" : `(${tests.join(" OR ")})`;
  }
  if ("in" in rule) return rule.in.length === 0 ? "false" : `${value} IN (${list(rule.in)})`;
  return rule.notIn.length === 0 ? `${value} IS NOT NULL` : `${value} NOT IN (${list(rule.notIn)})`;
}

/** Days by which a person's dates move back: 1 to `most`, the same for all rows of the person; NULL where it is not known whose a row is. */
function shiftSql(columns: readonly ViewColumn[], key: string, most: number): string {
  if (!columns.some(({ name }) => name === PATIENT)) return "NULL::INTEGER";
  const digits = `substr(${keyedHash(key, "shift", `_view.${quoteIdentifier(PATIENT)}`)}, 1, 8)`;
  return `CAST(CAST('0x' || ${digits} AS BIGINT) % ${most} AS INTEGER) + 1`;
}

/** A SELECT in parentheses of what a policy leaves of a relation; see {@link SnapshotView.relation}. */
export function policedRelation(
  relation: string,
  view: SnapshotView,
  shape: PolicedShape,
  policy: ViewPolicy,
  day: string,
): string {
  const key = policy.key ?? "";
  const context = { key, day, columns: view.columns };
  const items = view.columns.flatMap((column) => {
    const rule = shape.rules.get(column.name);
    if (rule === undefined) return [];
    return [`${ruleSql(column, rule, context)!} AS ${quoteIdentifier(column.name)}`];
  });
  const where = shape.rows.length === 0 ? "" : ` WHERE ${shape.rows.map(rowSql).join(" AND ")}`;
  const shift = [...shape.rules.values()].includes("shift")
    ? `(SELECT *, ${shiftSql(view.columns, key, policy.shiftDays ?? SHIFT_DAYS)} AS _shift FROM ${relation} AS _view)`
    : relation;
  return `(SELECT ${["_raw._lake_key", ...items].join(", ")} FROM ${shift} AS _raw${where})`;
}

/** What a hidden key becomes for another engine: it is made from the resource's own, which could be guessed and tried. */
function hiddenKey(policy: ViewPolicy): string {
  const hash = keyedHash(policy.key ?? "", "row", "CAST(_lake_key AS VARCHAR)");
  return `SELECT CAST(${hash} AS UUID) AS _lake_key, * EXCLUDE (_lake_key)`;
}

/** The same view as somebody sees it to whom the policy applies. */
export function policedView(
  view: SnapshotView,
  shape: PolicedShape,
  policy: ViewPolicy,
  state: { readonly day: string; readonly database: Database },
): SnapshotView {
  // Where the rows beneath lie is not told of those that are left.
  const { definition, failure: _failure, reach: _reach, stored: _stored, ...rest } = view;
  const base = { ...rest, columns: view.columns.filter(({ name }) => shape.rules.has(name)) };
  if (shape.misfit !== undefined) {
    const message = `The access rules do not fit view '${view.name}': ${shape.misfit}; whoever runs this server must mend them.`;
    const refused = async (): Promise<string> => await Promise.reject(new TypeError(message));
    const failure = { code: "query/policy-misfit", message };
    return { ...base, columns: [], relation: refused, sealed: refused, state: "failed", failure };
  }
  const relation = async (range?: KeyRange): Promise<string> => {
    // Values that were changed lie elsewhere than those of the rows beneath.
    const kept = range !== undefined && shape.rules.get(range.column) === "keep" ? range : undefined;
    return policedRelation(await view.relation(kept), view, shape, policy, state.day);
  };
  return {
    ...base,
    relation,
    // The rows themselves: whoever escapes from the other engine finds nothing there but what its user may see.
    sealed: async (folder, options = {}) => {
      const file = path.join(folder, `${view.name}.policed.parquet`);
      const rows = `${changesValues(policy) ? hiddenKey(policy) : "SELECT *"} FROM ${await relation()}`;
      await state.database.with((connection) =>
        writeParquet(connection, { ...options, select: rows, path: file }),
      );
      return `(SELECT * FROM read_parquet(${quoteLiteral(file)}))`;
    },
    ...(shape.rows.length === 0 ? {} : { rowCount: undefined }),
    ...(view.failure === undefined ? {} : { failure: view.failure }),
    ...(definition === undefined
      ? {}
      : { definition: async () => prunedDefinition(await definition(), shape.rules) }),
  };
}
