import { type CompiledView, viewDataError } from "#compiler";
import { type Connection, quoteIdentifier } from "#duckdb";
import type { LakeError } from "#kernel";
import type { Change } from "#landing";
import { OPEN, type Replaced } from "./live-index.js";
import type { Lane, Planned } from "./plans.js";
import type { ReadPoint } from "./read-point.js";

/** A live version that breaks a rule of the view, and the points at which it counts. */
interface Broken {
  readonly position: number;
  readonly error: LakeError;
  to: number;
  until: number;
}

/** Rows of one view over live resources: a table keyed by the position of the change that made each row. */
export class LiveView {
  readonly hash: string;
  readonly compiled: CompiledView;
  /** Quoted. */
  readonly table: string;
  private readonly columns: string;
  private broken: Broken[] = [];
  private plan: Planned | undefined;

  constructor(hash: string, compiled: CompiledView) {
    this.hash = hash;
    this.compiled = compiled;
    this.table = quoteIdentifier(`live_rows_${hash.slice(0, 32)}`);
    this.columns = compiled.columns.map((column) => quoteIdentifier(column.name)).join(", ");
  }

  async create(connection: Connection): Promise<void> {
    const columns = this.compiled.columns.map(
      (column) => `${quoteIdentifier(column.name)} ${column.sqlType}`,
    );
    await connection.run(
      `CREATE OR REPLACE TABLE ${this.table} (${["_from BIGINT", ...columns].join(", ")})`,
    );
  }

  async drop(connection: Connection): Promise<void> {
    this.close();
    await connection.run(`DROP TABLE IF EXISTS ${this.table}`);
  }

  /** Frees the plan. */
  close(): void {
    this.plan?.close();
  }

  /** Says what {@link add} does: `select` gives the view's rows of all changes in the table `reads`, with `_from` as their key. */
  planOver(lane: Lane, reads: string, select: string): void {
    this.plan?.close();
    this.plan = lane.statement(`INSERT INTO ${this.table} (_from, ${this.columns}) ${select}`, reads);
  }

  /** Plans {@link add} before its first use. */
  async ready(): Promise<void> {
    await this.plan?.ready();
  }

  /** Adds the rows of the incoming changes, as {@link planOver} was told. Fails with the data's error when one of them breaks a rule of the view. */
  async add(): Promise<void> {
    await this.plan!.run();
  }

  /**
   * {@link add} where some view was broken: when it is this one, halves are tried until the breaking changes stand alone, which are remembered.
   * `add` does it with some of the changes, all of them or none.
   */
  async addSound(changes: readonly Change[], add: (some: readonly Change[]) => Promise<void>): Promise<void> {
    if (changes.length === 0) return;
    const error = await this.attempt(() => add(changes));
    if (error === undefined) return;
    if (changes.length === 1) {
      this.broken.push({ position: changes[0]!.position, error, to: OPEN, until: OPEN });
      return;
    }
    const half = Math.ceil(changes.length / 2);
    await this.addSound(changes.slice(0, half), add);
    await this.addSound(changes.slice(half), add);
  }

  private async attempt(insert: () => Promise<void>): Promise<LakeError | undefined> {
    try {
      await insert();
      return undefined;
    } catch (error) {
      const known = viewDataError(error);
      if (known === undefined) throw error;
      return known;
    }
  }

  /** The error of a version that counts at a point and breaks the view, or undefined. */
  failureAt({ snapshot, position }: ReadPoint): LakeError | undefined {
    return this.broken.find(
      (broken) => broken.position <= position && broken.to > position && broken.until > snapshot,
    )?.error;
  }

  /** Notes that versions no longer count from a position on. */
  replace(replaced: readonly Replaced[]): void {
    if (this.broken.length === 0) return;
    for (const { position, by } of replaced) {
      for (const broken of this.broken) if (broken.position === position) broken.to = by;
    }
  }

  /** Follows the type's table of versions: hides and forgets broken versions as it says. */
  async follow(connection: Connection, versions: string): Promise<void> {
    if (this.broken.length === 0) return;
    const list = this.broken.map((broken) => broken.position).join(", ");
    const rows = await connection.rows<{ p: string; u: string }>(
      `SELECT _from AS p, _until AS u FROM ${versions} WHERE _from IN (${list})`,
    );
    const until = new Map(rows.map(({ p, u }) => [Number(p), Number(u)]));
    this.broken = this.broken.filter(({ position }) => until.has(position));
    for (const broken of this.broken) broken.until = until.get(broken.position)!;
  }

  /** Removes rows whose version is no longer in the type's table of versions. */
  async collect(connection: Connection, versions: string): Promise<void> {
    await connection.run(`DELETE FROM ${this.table} WHERE _from NOT IN (SELECT _from FROM ${versions})`);
    await this.follow(connection, versions);
  }

  /** {@link collect} into a new table, so that nothing of the removed rows stays behind in pages of the old one. */
  async erase(connection: Connection, versions: string): Promise<void> {
    await connection.run(
      `CREATE OR REPLACE TABLE ${this.table} AS SELECT * FROM ${this.table} WHERE _from IN (SELECT _from FROM ${versions})`,
    );
    await this.follow(connection, versions);
  }

  /** Takes back everything after a position. */
  async undo(connection: Connection, position: number): Promise<void> {
    await connection.run(`DELETE FROM ${this.table} WHERE _from > ${position}`);
    this.broken = this.broken.filter((broken) => broken.position <= position);
    for (const broken of this.broken) if (broken.to > position) broken.to = OPEN;
  }
}
