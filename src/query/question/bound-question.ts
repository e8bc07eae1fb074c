import { type Database, quoteIdentifier, type RunOptions } from "#duckdb";
import { LakeError } from "#kernel";
import type { SnapshotView, ViewColumn } from "../catalog.js";
import type { Statement } from "../result.js";
import { Bindings } from "./bindings.js";
import { type QuestionColumn, QuestionColumns } from "./columns.js";
import { ConditionSql } from "./condition-sql.js";
import {
  fromPosition,
  orderItems,
  type Position,
  placeItems,
  type SortColumn,
  upToPosition,
} from "./position.js";
import type { ViewQuestion } from "./view-question.js";

/** What a limit does to an answer. */
export interface PageFacts {
  /** Rows of this answer; undefined without a limit, since they are not counted beforehand then. */
  readonly rowCount: number | undefined;
  /** True when there are more rows than the limit lets out. */
  readonly truncated: boolean;
  /** Where the next page begins; undefined when there is none. */
  readonly next: Position | undefined;
}

/** How many rows there are. */
export interface RowCount {
  readonly rows: number;
  /** False for a number that was reckoned without looking at every row. */
  readonly exact: boolean;
}

interface OutputColumn {
  readonly column: QuestionColumn;
  readonly name: string;
}

/** A name that a column is given must be harmless in every format. */
const OUTPUT_NAME = /^[^\p{C}\p{Zl}\p{Zp}]{1,64}$/u;

function outputs(columns: QuestionColumns, select: ViewQuestion["select"]): OutputColumn[] {
  if (select === undefined) return columns.own().map((column) => ({ column, name: column.name }));
  if (select.length === 0) {
    throw new LakeError(
      "invalid-input",
      "query/no-columns",
      "select names no column; name at least one or leave it out.",
    );
  }
  const taken = new Set<string>();
  return select.map((item) => {
    const { column: wanted, as } = typeof item === "string" ? { column: item, as: undefined } : item;
    const column = columns.find(wanted, "select");
    const name = as ?? column.name;
    if (as !== undefined && (!OUTPUT_NAME.test(as) || as.toLowerCase().startsWith("_lake_"))) {
      throw new LakeError(
        "invalid-input",
        "query/bad-output-name",
        "A name that select gives a column has 1 to 64 characters, none of them a control character, and does not begin with _lake_.",
      );
    }
    // The engine does not tell names apart by letter case.
    if (taken.has(name.toLowerCase())) {
      throw new LakeError(
        "invalid-input",
        "query/duplicate-column",
        `select names column '${name.slice(0, 64)}' twice.`,
      );
    }
    taken.add(name.toLowerCase());
    return { column, name };
  });
}

function sortColumns(columns: QuestionColumns, order: ViewQuestion["order"] = []): SortColumn[] {
  const seen = new Set<string>();
  return order.map(({ column: name, descending = false, nullsFirst = false }) => {
    const column = columns.find(name, "order");
    columns.requireOrdered(column, "order");
    if (seen.has(name)) {
      throw new LakeError("invalid-input", "query/duplicate-column", `order names column '${name}' twice.`);
    }
    seen.add(name);
    return { column, descending, nullsFirst };
  });
}

/**
 * The one place where a question becomes SQL text. Identifiers come from the catalog and are quoted, values are bound.
 *
 * Rows leave in a canonical order: as asked, then by resource key, then by value. The order of files and layers would be cheaper, but
 * the engine does not keep it through joins and unions on several threads, and equal questions must get equal bytes.
 * The last row of a page is found on the sort columns alone first, since a top-n over all columns would read all of them everywhere.
 */
export class BoundQuestion {
  /** The columns of the answer as it names them. */
  readonly columns: readonly ViewColumn[];
  private readonly database: Database;
  private readonly view: SnapshotView;
  private readonly question: ViewQuestion;
  private readonly known: QuestionColumns;
  private readonly outputs: readonly OutputColumn[];
  private readonly sort: readonly SortColumn[];
  private readonly used: ReadonlySet<string>;
  private relation: Promise<string> | undefined;
  private facts: Promise<PageFacts & { readonly last: Position | undefined }> | undefined;

  /** Fails with the codes of bad questions. */
  constructor(database: Database, view: SnapshotView, question: ViewQuestion & { readonly ageAt: string }) {
    this.database = database;
    this.view = view;
    this.question = question;
    this.known = new QuestionColumns(view, question);
    this.outputs = outputs(this.known, question.select);
    this.sort = sortColumns(this.known, question.order);
    const conditions = new ConditionSql(this.known, new Bindings());
    for (const filter of question.filters ?? []) conditions.sql(filter);
    this.used = new Set([
      ...conditions.used,
      ...this.outputs.map(({ column }) => column.name),
      ...this.sort.map(({ column }) => column.name),
    ]);
    this.columns = this.outputs.map(({ column, name }) => {
      const { type: _type, decimalText: _text, derivedFrom: _sql, ...own } = column;
      return { ...own, name };
    });
  }

  private async rows(): Promise<string> {
    this.relation ??= this.view.relation();
    return this.known.relation(await this.relation, this.used);
  }

  private conditions(bindings: Bindings): string[] {
    const sql = new ConditionSql(this.known, bindings);
    return (this.question.filters ?? []).map((filter) => sql.sql(filter));
  }

  private from(bindings: Bindings): string[] {
    const { after } = this.question;
    return after === undefined ? [] : [fromPosition(this.sort, after, bindings)];
  }

  /** The SELECT that answers. */
  async statement(options: RunOptions = {}): Promise<Statement> {
    const bindings = new Bindings();
    const { limit, after } = this.question;
    const where = [...this.conditions(bindings), ...this.from(bindings)];
    let cut = "";
    if (limit !== undefined) {
      const { last, rowCount } = await this.pageFacts(options);
      if (last !== undefined) where.push(upToPosition(this.sort, last, bindings));
      cut = `LIMIT ${bindings.bind(String(rowCount), "BIGINT")} OFFSET ${bindings.bind(String(after?.skip ?? 0), "BIGINT")}`;
    } else if (after !== undefined) {
      cut = `OFFSET ${bindings.bind(String(after.skip), "BIGINT")}`;
    }
    const items = this.outputs.map(({ column, name }) => {
      const own = `_view.${quoteIdentifier(column.name)}`;
      return column.name === name ? own : `${own} AS ${quoteIdentifier(name)}`;
    });
    const tieBreak = this.outputs.map(({ column }) => `_view.${quoteIdentifier(column.name)}`);
    const order = [...orderItems(this.sort), ...tieBreak].join(", ");
    const source = `SELECT ${items.join(", ")} FROM ${await this.rows()} AS _view ${whereOf(where)} ORDER BY ${order} ${cut}`;
    const columns = this.outputs.map(({ column, name }) => ({
      name,
      type: column.type,
      decimalText: column.decimalText,
    }));
    return { source, parameters: bindings.values, columns };
  }

  /** See {@link PageFacts}. */
  async page(options: RunOptions): Promise<PageFacts> {
    const { rowCount, truncated, next } = await this.pageFacts(options);
    return { rowCount, truncated, next };
  }

  private pageFacts(options: RunOptions): NonNullable<BoundQuestion["facts"]> {
    this.facts ??= this.findPage(options);
    return this.facts;
  }

  private async findPage(options: RunOptions): NonNullable<BoundQuestion["facts"]> {
    const { limit, after } = this.question;
    if (limit === undefined)
      return { rowCount: undefined, truncated: false, next: undefined, last: undefined };
    const bindings = new Bindings();
    const where = whereOf([...this.conditions(bindings), ...this.from(bindings)]);
    const sorted = this.sort.map(({ column }, i) => `_view.${quoteIdentifier(column.name)} AS _sort${i}`);
    const directions = this.sort.map(
      ({ descending, nullsFirst }, i) =>
        `_sort${i} ${descending ? "DESC" : "ASC"} NULLS ${nullsFirst ? "FIRST" : "LAST"}`,
    );
    const places = [...this.sort.map((_, i) => `_place${i}`), "_place_key"];
    const alike = places.map((name) => `n.${name} IS NOT DISTINCT FROM l.${name}`).join(" AND ");
    const most = bindings.bind(String(limit), "BIGINT");
    const skip = bindings.bind(String(after?.skip ?? 0), "BIGINT");
    const sql = `WITH _top AS MATERIALIZED (
      SELECT ${[...placeItems(this.sort), ...sorted, "_view._lake_key AS _sort_key"].join(", ")}
      FROM ${await this.rows()} AS _view ${where} ORDER BY ${orderItems(this.sort).join(", ")} LIMIT ${most} + 1 OFFSET ${skip}),
    _numbered AS MATERIALIZED (SELECT *, row_number() OVER (ORDER BY ${[...directions, "_sort_key"].join(", ")}) AS _n FROM _top)
    SELECT (SELECT count(*) FROM _top) AS _total, ${places.map((name) => `l.${name}`).join(", ")},
      (SELECT count(*) FROM _numbered n WHERE n._n <= ${most} AND ${alike}) AS _alike
    FROM (SELECT 1) LEFT JOIN (SELECT * FROM _numbered WHERE _n = least(${most}, (SELECT count(*) FROM _top))) l ON true`;
    const [row] = await this.database.with((connection) =>
      connection.rows<Record<string, string | null>>(sql, bindings.values, options),
    );
    return this.factsOf(row!, limit);
  }

  private factsOf(
    row: Readonly<Record<string, string | null>>,
    limit: number,
  ): PageFacts & { readonly last: Position | undefined } {
    const { after } = this.question;
    const total = Number(row["_total"]);
    const key = row["_place_key"] ?? undefined;
    const rowCount = Math.min(total, limit);
    if (key === undefined) return { rowCount, truncated: total > limit, next: undefined, last: undefined };
    const values = this.sort.map((_, index) => row[`_place${index}`] ?? null);
    const isSame =
      after !== undefined && after.key === key && after.values.every((value, i) => value === values[i]);
    const last = { values, key, skip: Number(row["_alike"]) + (isSame ? after.skip : 0) };
    const truncated = total > limit;
    return { rowCount, truncated, next: truncated ? last : undefined, last };
  }

  /** How many rows answer without the limit. An estimate costs nothing where the snapshot knows it; else it is exact. */
  async count(kind: "exact" | "estimated", options: RunOptions): Promise<RowCount> {
    const bindings = new Bindings();
    const where = this.conditions(bindings);
    if (where.length === 0 && (kind === "estimated" || this.view.changedAt === undefined)) {
      return { rows: this.view.rowCount, exact: this.view.changedAt === undefined };
    }
    const sql = `SELECT count(*) AS _rows FROM ${await this.rows()} AS _view ${whereOf(where)}`;
    const [row] = await this.database.with((connection) =>
      connection.rows<{ _rows: string }>(sql, bindings.values, options),
    );
    return { rows: Number(row!._rows), exact: true };
  }
}

function whereOf(all: readonly string[]): string {
  return all.length === 0 ? "" : `WHERE ${all.join(" AND ")}`;
}
