import { type Connection, type Database, parseColumnType, quoteIdentifier, type RunOptions } from "#duckdb";
import type { SnapshotReader, SnapshotView, ViewColumn } from "./catalog.js";
import { requireReady } from "./errors.js";
import { findView } from "./read-view.js";

/** A value that many rows have. */
export interface FrequentValue {
  readonly value: string;
  readonly rows: number;
}

/** What one column holds. */
export interface ColumnProfile {
  readonly name: string;
  readonly nullPercent: number | null;
  /** Reckoned, within a few per cent. */
  readonly distinct: number;
  /**
   * Bounds that the values of at least as many persons as the least group lie on or beyond; the true extremes, which one person may have alone,
   * are not told. Null for columns without order, and where there are fewer persons.
   */
  readonly low: string | null;
  readonly high: string | null;
  /** Up to ten, the most frequent first, each of enough persons; null where values are not shown at all. */
  readonly top: readonly FrequentValue[] | null;
}

/** What the columns of a view hold. */
export interface ViewProfile {
  /** A value of fewer persons than this is not shown. */
  readonly minimumGroup: number;
  readonly columns: readonly ColumnProfile[];
}

/** What may be shown. */
export interface ProfileOptions extends RunOptions {
  /** False for columns whose values are not to be shown. */
  readonly showsValues: (column: string) => boolean;
  /** 11 when absent. */
  readonly minimumGroup?: number;
}

const TOP = 10;
const ordered: ReadonlySet<string> = new Set(["integer", "decimal", "double", "float", "date", "timestamp"]);

/** Profiles one view. Rows count per person where the view says whose they are, else each for itself. */
class Profiler {
  private readonly connection: Connection;
  private readonly rows: string;
  private readonly person: string;
  private readonly least: number;
  private readonly options: ProfileOptions;

  constructor(connection: Connection, view: SnapshotView, rows: string, options: ProfileOptions) {
    this.connection = connection;
    this.rows = `${rows} AS _view`;
    const hasPatient = view.columns.some(({ name }) => name === "patient_key");
    this.person = hasPatient ? quoteIdentifier("patient_key") : "_lake_key";
    this.least = options.minimumGroup ?? 11;
    this.options = options;
  }

  private async row(sql: string): Promise<Record<string, string | null>> {
    const [row] = await this.connection.rows<Record<string, string | null>>(sql, [], this.options);
    return row!;
  }

  async columns(columns: readonly ViewColumn[]): Promise<ColumnProfile[]> {
    const items = columns.flatMap(({ name }, i) => [
      `count(${quoteIdentifier(name)}) AS _filled${i}`,
      `approx_count_distinct(${quoteIdentifier(name)}) AS _distinct${i}`,
    ]);
    const counts = await this.row(`SELECT ${["count(*) AS _rows", ...items].join(", ")} FROM ${this.rows}`);
    const total = Number(counts["_rows"]);
    const profiles: ColumnProfile[] = [];
    for (const [i, column] of columns.entries()) {
      const filled = Number(counts[`_filled${i}`]);
      const shown = this.options.showsValues(column.name);
      const bounds = shown ? await this.bounds(column) : { low: null, high: null };
      profiles.push({
        name: column.name,
        nullPercent: total === 0 ? null : Math.round(((total - filled) / total) * 1000) / 10,
        distinct: Math.min(Number(counts[`_distinct${i}`]), filled),
        ...bounds,
        top: shown ? await this.top(column, filled) : null,
      });
    }
    return profiles;
  }

  /** The least value that enough persons reach or stay below, and the greatest that enough reach or exceed. */
  private async bounds({ name, sqlType }: ViewColumn): Promise<Pick<ColumnProfile, "low" | "high">> {
    if (!ordered.has(parseColumnType(sqlType).kind)) return { low: null, high: null };
    const column = quoteIdentifier(name);
    const k = this.least;
    const row = await this.row(
      `SELECT CAST(list_extract(min(_low, ${k}), ${k}) AS VARCHAR) AS low, CAST(list_extract(max(_high, ${k}), ${k}) AS VARCHAR) AS high
       FROM (SELECT min(${column}) AS _low, max(${column}) AS _high FROM ${this.rows} WHERE ${column} IS NOT NULL GROUP BY ${this.person})`,
    );
    return { low: row["low"] ?? null, high: row["high"] ?? null };
  }

  /**
   * Values of enough persons. When what is left over is a group so small that the total would give it away, the last value goes
   * too.
   */
  private async top({ name }: ViewColumn, filled: number): Promise<FrequentValue[]> {
    const column = quoteIdentifier(name);
    const rows = await this.connection.rows<{ value: string; rows: string; all_rows: string }>(
      `SELECT value, rows, sum(rows) OVER () AS all_rows FROM (
         SELECT CAST(${column} AS VARCHAR) AS value, count(*) AS rows FROM ${this.rows} WHERE ${column} IS NOT NULL
         GROUP BY ${column} HAVING count(DISTINCT ${this.person}) >= ${this.least})
       ORDER BY rows DESC, value LIMIT ${TOP}`,
      [],
      this.options,
    );
    const hidden = filled - Number(rows[0]?.all_rows ?? 0);
    const shown = rows.map(({ value, rows: count }) => ({ value, rows: Number(count) }));
    return hidden > 0 && hidden < this.least ? shown.slice(0, -1) : shown;
  }
}

/** What the columns of a view hold in a state, without what few persons have. Fails as reading the view would. */
export async function profileView(
  database: Database,
  snapshot: SnapshotReader,
  name: string,
  options: ProfileOptions,
): Promise<ViewProfile> {
  const view = findView(snapshot, name);
  requireReady(view);
  const rows = await view.relation();
  const columns = await database.with(
    async (connection) => await new Profiler(connection, view, rows, options).columns(view.columns),
  );
  return { minimumGroup: options.minimumGroup ?? 11, columns };
}
