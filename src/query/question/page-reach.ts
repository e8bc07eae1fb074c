import { type Database, quoteIdentifier, type RunOptions } from "#duckdb";
import type { KeyRange, SnapshotView } from "../catalog.js";
import { narrowed, rangeOf } from "../key-range.js";
import { Bindings } from "./bindings.js";
import type { Condition } from "./condition.js";
import { SLACK } from "./page-source.js";

/** A column by which pieces of files can be told, and the value from which on a page lies; undefined where that is the first. */
export interface Lead {
  readonly name: string;
  readonly start: string | undefined;
}

/** Between which values of its lead a page lies. */
export interface Reach {
  readonly conditions: (bindings: Bindings) => string[];
  readonly ends: Pick<KeyRange, "from" | "to">;
}

/** What a page is asked of. */
export interface ReachQuestion {
  readonly filters: readonly Condition[];
  /** What stands after FROM for `_view`; rows beyond the ends may be missing. */
  readonly relation: (ends: Reach["ends"], read: SnapshotView["relation"]) => Promise<string>;
  /** What rows from the page's beginning on meet. */
  readonly conditions: (bindings: Bindings) => readonly string[];
}

/**
 * How far a page can reach at most, in a form by which pieces of files can be left out. As many rows as the page needs, any that fit, bound it from above:
 * no row sorted after all of them can be in it.
 */
export class PageReach {
  private readonly database: Database;
  private readonly view: SnapshotView;
  private readonly lead: Lead;
  private readonly question: ReachQuestion;

  constructor(database: Database, view: SnapshotView, lead: Lead, question: ReachQuestion) {
    this.database = database;
    this.view = view;
    this.lead = lead;
    this.question = question;
  }

  /** Where the first `most` rows lie; undefined when there are fewer. */
  async reach(most: number, options: RunOptions): Promise<Reach | undefined> {
    return await this.leastKeys(most, (range) => this.view.relation(range), options);
  }

  /**
   * The same from what is known of where rows lie, or else from the rows as the snapshot has them, of which changes may have taken some away. No
   * bound that leaves enough rows is wrong, so that whoever finds too few of them knows that the guess was.
   */
  async guess(most: number, options: RunOptions): Promise<Reach | undefined> {
    const known = this.known(most);
    const { stored } = this.view;
    if (known !== undefined || stored === undefined) return known;
    return await this.leastKeys(most + SLACK, stored, options);
  }

  /** What is known without asking for any row, as long as nothing but their place decides which are in the page. */
  private known(most: number): Reach | undefined {
    const { name, start } = this.lead;
    const { filters } = this.question;
    const isBeginning = (filter: Condition): boolean =>
      (filter.operator === "gt" || filter.operator === "gte") && filter.column === name;
    if (!filters.every(isBeginning)) return undefined;
    const { from } = narrowed(rangeOf(name, filters) ?? { column: name }, { from: start });
    const end = this.view.reach?.(from, most);
    return end === undefined ? undefined : between(this.lead, end);
  }

  /**
   * Files need not be sorted as a whole, so that the first rows that they give may lie anywhere: the least values are looked for, which reads one
   * column. Where rows are known to be sorted, the first ones will do.
   */
  private async leastKeys(
    most: number,
    read: SnapshotView["relation"],
    options: RunOptions,
  ): Promise<Reach | undefined> {
    const { name, start } = this.lead;
    const column = `_view.${quoteIdentifier(name)}`;
    const bindings = new Bindings();
    const where = [
      ...this.question.conditions(bindings),
      ...atLeast(this.lead, bindings),
      `${column} IS NOT NULL`,
    ].join(" AND ");
    const isSorted = this.view.reach?.(start, 1) !== undefined;
    const sql = `SELECT count(*) AS found, max(_lake_at) AS reach
      FROM (SELECT ${column} AS _lake_at FROM ${await this.question.relation({ from: start }, read)} AS _view WHERE ${where} ${isSorted ? "" : "ORDER BY _lake_at"} LIMIT ${most})`;
    const [row] = await this.database.with((connection) =>
      connection.rows<{ found: string; reach: string | null }>(sql, bindings.values, options),
    );
    const end = row!.reach;
    return Number(row!.found) < most || end === null ? undefined : between(this.lead, end);
  }
}

/** Rows whose column is not less than a page's beginning; any where that is the first. */
function atLeast({ name, start }: Lead, bindings: Bindings): string[] {
  return start === undefined ? [] : [`_view.${quoteIdentifier(name)} >= ${bindings.plain(start)}`];
}

function between(lead: Lead, end: string): Reach {
  return {
    conditions: (bindings) => [
      ...atLeast(lead, bindings),
      `_view.${quoteIdentifier(lead.name)} <= ${bindings.plain(end)}`,
    ],
    ends: { from: lead.start, to: end },
  };
}
