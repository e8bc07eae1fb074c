import { type Database, quoteIdentifier, type RunOptions } from "#duckdb";
import { LakeError } from "#kernel";
import type { KeyRange, SnapshotView, ViewColumn } from "../catalog.js";
import type { EncodedColumn } from "../encoding.js";
import { cursorGone } from "../errors.js";
import { narrowed, rangeOf } from "../key-range.js";
import type { Statement } from "../result.js";
import { Bindings } from "./bindings.js";
import { type QuestionColumn, QuestionColumns } from "./columns.js";
import { ConditionSql } from "./condition-sql.js";
import { type EncodedPage, readEncoded } from "./encoded-page.js";
import { type Lead, PageReach } from "./page-reach.js";
import type { PageSource } from "./page-source.js";
import { PageTable } from "./page-table.js";
import { fromPosition, orderItems, type Position, placeItems, type SortColumn } from "./position.js";
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
  if (order.length === 0) {
    const { clustered } = columns;
    return clustered === undefined ? [] : [{ column: clustered, descending: false, nullsFirst: false }];
  }
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
 * Rows leave in a canonical order: as asked, or else by patient where the view shows one, then by resource key, then by value. The order
 * of files and layers would be cheaper, but the engine does not keep it through joins and unions on several threads, and equal questions
 * must get equal bytes.
 *
 * A question with a limit reads its rows once, into a {@link PageTable} or, when they are few and their format is known, as an
 * {@link EncodedPage}. Where rows leave as they lie in the files, {@link PageReach} tells how far the page can reach at most, so that only that
 * piece of the files is read in full.
 */
export class BoundQuestion {
  /** The columns of the answer as it names them. */
  readonly columns: readonly ViewColumn[];
  /** The same as the encoders see them. */
  readonly encodedColumns: readonly EncodedColumn[];
  private readonly database: Database;
  private readonly view: SnapshotView;
  private readonly question: ViewQuestion;
  private readonly known: QuestionColumns;
  private readonly outputs: readonly OutputColumn[];
  private readonly sort: readonly SortColumn[];
  private readonly used: ReadonlySet<string>;
  private table: Promise<PageTable> | undefined;
  private encoded: { readonly text: string; readonly page: Promise<EncodedPage | undefined> } | undefined;

  /** Fails with the codes of bad questions. */
  constructor(database: Database, view: SnapshotView, question: ViewQuestion & { readonly ageAt: string }) {
    this.database = database;
    this.view = view;
    this.question = question;
    this.known = new QuestionColumns(view, question);
    this.outputs = outputs(this.known, question.select);
    this.sort = sortColumns(this.known, question.order);
    // A release that sorts otherwise cannot go on from there.
    if (question.after !== undefined && question.after.values.length !== this.sort.length) throw cursorGone();
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
    this.encodedColumns = this.outputs.map(({ column, name }) => ({
      name,
      type: column.type,
      decimalText: column.decimalText,
    }));
  }

  /** The view's rows, of which the question's filters and the ends given may leave out those that meet none of its conditions. */
  private async rows(
    ends: Pick<KeyRange, "from" | "to"> = {},
    read: SnapshotView["relation"] = (range) => this.view.relation(range),
  ): Promise<string> {
    const { clustered } = this.known;
    const filtered = clustered && rangeOf(clustered.name, this.question.filters ?? []);
    const bounded = filtered !== undefined || ends.from !== undefined || ends.to !== undefined;
    const range = clustered && bounded ? narrowed(filtered ?? { column: clustered.name }, ends) : undefined;
    return this.known.relation(await read(range), this.used);
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
    const { encodedColumns: columns } = this;
    const { limit, after } = this.question;
    if (limit !== undefined) {
      return { source: (await this.pageTable(limit, options)).statement(), parameters: [], columns };
    }
    const bindings = new Bindings();
    const where = [...this.conditions(bindings), ...this.from(bindings)];
    const cut = after === undefined ? "" : `OFFSET ${bindings.bind(String(after.skip), "BIGINT")}`;
    const source = `SELECT ${this.items().join(", ")} FROM ${await this.rows()} AS _view ${whereOf(where)} ORDER BY ${this.order()} ${cut}`;
    return { source, parameters: bindings.values, columns };
  }

  /** What is selected of `_view`: the answer's columns under its names. */
  private items(): string[] {
    return this.outputs.map(({ column, name }) => {
      const own = `_view.${quoteIdentifier(column.name)}`;
      return column.name === name ? own : `${own} AS ${quoteIdentifier(name)}`;
    });
  }

  private order(): string {
    const tieBreak = this.outputs.map(({ column }) => `_view.${quoteIdentifier(column.name)}`);
    return [...orderItems(this.sort), ...tieBreak].join(", ");
  }

  /** See {@link PageFacts}. With `text`, an expression that encodes a row, a short page is read for {@link encodedPage} too. */
  async page(options: RunOptions, text?: string): Promise<PageFacts> {
    const { limit } = this.question;
    if (limit === undefined) return { rowCount: undefined, truncated: false, next: undefined };
    const encoded = text === undefined ? undefined : await this.encodedPage(text, options);
    const { rowCount, more, last } = (encoded ?? (await this.pageTable(limit, options))).extent;
    return { rowCount, truncated: more, next: more ? last : undefined };
  }

  /** The page with its rows encoded by an expression over {@link encodedColumns}; undefined where it is no short one, or is in a table already. */
  async encodedPage(text: string, options: RunOptions): Promise<EncodedPage | undefined> {
    const { limit } = this.question;
    if (limit === undefined || this.table !== undefined) return undefined;
    if (this.encoded?.text !== text) {
      const page = readEncoded(this.database, this.pageSource(limit, options), text, options);
      this.encoded = { text, page };
    }
    return await this.encoded.page;
  }

  private pageTable(limit: number, options: RunOptions): Promise<PageTable> {
    this.table ??= PageTable.read(this.database, this.pageSource(limit, options), options);
    return this.table;
  }

  private pageSource(limit: number, options: RunOptions): PageSource {
    const lead = this.lead();
    const within =
      lead &&
      new PageReach(this.database, this.view, lead, {
        filters: this.question.filters ?? [],
        relation: (ends, read) => this.rows(ends, read),
        conditions: (bindings) => [...this.conditions(bindings), ...this.from(bindings)],
      });
    const select: PageSource["select"] = async (most, { isShort = false, mayGuess = false } = {}) => {
      const bindings = new Bindings();
      const where = [...this.conditions(bindings), ...this.from(bindings)];
      const guess = mayGuess ? await within?.guess(most, options) : undefined;
      const reach = guess ?? (await within?.reach(most, options));
      where.push(...(reach?.conditions(bindings) ?? []));
      // Of few rows all columns are sorted at once; of many, only those that are left by place.
      const sorted = isShort && (reach !== undefined || this.isOfOne());
      const sql = `SELECT ${[...this.items(), ...placeItems(this.sort)].join(", ")} FROM ${await this.rows(reach?.ends)} AS _view
        ${whereOf(where)} ORDER BY ${sorted ? this.order() : orderItems(this.sort).join(", ")} LIMIT ${most}`;
      return { sql, parameters: bindings.values, guessed: guess !== undefined, sorted };
    };
    const names = this.outputs.map(({ name }) => name);
    const skip = this.question.after?.skip ?? 0;
    return { select, names, sort: this.sort, limit, skip };
  }

  /** True when all rows have one value of the column that they lie together by. */
  private isOfOne(): boolean {
    const { clustered } = this.known;
    const range = clustered && rangeOf(clustered.name, this.question.filters ?? []);
    return range?.from !== undefined && range.from === range.to;
  }

  /** Undefined where no pieces of files can be told. */
  private lead(): Lead | undefined {
    const [first] = this.sort;
    const start = this.question.after?.values[0];
    if (first === undefined || first.column !== this.known.clustered) return undefined;
    if (first.descending || first.nullsFirst || start === null) return undefined;
    const { name } = first.column;
    return this.isOfOne() ? undefined : { name, start };
  }

  /** Frees what was read. */
  close(): void {
    const table = this.table;
    this.table = undefined;
    // A table whose engine has been closed is gone already.
    table?.then((one) => one.drop()).catch(() => undefined);
  }

  /** How many rows answer without the limit. An estimate costs nothing where the snapshot knows it; else it is exact. */
  async count(kind: "exact" | "estimated", options: RunOptions): Promise<RowCount> {
    const bindings = new Bindings();
    const where = this.conditions(bindings);
    const { rowCount, changedAt } = this.view;
    const known = where.length === 0 && (kind === "estimated" || changedAt === undefined);
    if (known && rowCount !== undefined) return { rows: rowCount, exact: changedAt === undefined };
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
