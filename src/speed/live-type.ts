import { viewDataError } from "#compiler";
import { type AppendedValue, appendRows, type Connection, quoteIdentifier, quoteLiteral } from "#duckdb";
import type { Definitions } from "#fhir";
import type { Change } from "#landing";
import { duckdbTextRelation } from "#sql";
import { OPEN, type Replaced } from "./live-index.js";
import type { LiveView } from "./live-view.js";
import type { Planned, Plans } from "./plans.js";
import type { ReadPoint } from "./read-point.js";
import { unionShape } from "./union-shape.js";

/** Columns of an incoming change that views may read beside the typed ones. */
const KEPT = ["_from", "_lake_id", "_lake_source", "raw"];

function* incomingRows(changes: readonly Change[]): Iterable<readonly AppendedValue[]> {
  for (const { position, key, id, source, kind, raw } of changes) {
    yield [position, key, id, source, kind === "D", raw];
  }
}

/**
 * Live versions of one resource type: a table of versions with the positions [_from, _to) and the snapshots below _until at which each
 * counts, and per view a table of rows that point to their version.
 */
export class LiveType {
  readonly type: string;
  private readonly definitions: Definitions;
  /** Quoted names. */
  private readonly versions: string;
  private readonly incoming: string;
  private readonly incomingName: string;
  private readonly typed: string;
  private readonly plans: Plans;
  private readonly views = new Map<string, LiveView>();
  /** Fills the typed table from `incoming`; undefined until the views are known that it is typed for. */
  private typing: Planned | undefined;
  private oldest = OPEN;
  private newest = 0;

  constructor(definitions: Definitions, type: string, plans: Plans) {
    this.definitions = definitions;
    this.plans = plans;
    this.type = type;
    this.versions = quoteIdentifier(`live_versions_${type}`);
    this.incomingName = `live_incoming_${type}`;
    this.incoming = quoteIdentifier(this.incomingName);
    this.typed = quoteIdentifier(`live_typed_${type}`);
  }

  async create(connection: Connection): Promise<void> {
    await connection.run(
      `CREATE OR REPLACE TABLE ${this.versions} (_lake_key UUID, _from BIGINT, _to BIGINT, _until BIGINT, _source VARCHAR)`,
    );
    await this.createIncoming(connection);
  }

  private async createIncoming(connection: Connection): Promise<void> {
    await connection.run(
      `CREATE OR REPLACE TABLE ${this.incoming} (_from BIGINT, _lake_key VARCHAR, _lake_id VARCHAR, _lake_source VARCHAR, deleted BOOLEAN, raw VARCHAR)`,
    );
    this.plans.tablesChanged();
  }

  /** Makes everything that the first change would otherwise wait for. */
  async ready(): Promise<void> {
    await this.layOut();
    for (const view of this.views.values()) await view.ready();
  }

  view(hash: string): LiveView | undefined {
    return this.views.get(hash);
  }

  get viewHashes(): readonly string[] {
    return [...this.views.keys()];
  }

  /** Adds an empty view; {@link addRows} fills it. */
  async addView(connection: Connection, view: LiveView): Promise<void> {
    await view.create(connection);
    this.plans.tablesChanged();
    this.views.set(view.hash, view);
    this.relayOut();
  }

  async dropView(connection: Connection, hash: string): Promise<void> {
    const view = this.views.get(hash);
    this.views.delete(hash);
    await view?.drop(connection);
    this.plans.tablesChanged();
    this.relayOut();
  }

  /** Frees the plans; the tables stay until others take their names. */
  close(): void {
    this.relayOut();
    for (const view of this.views.values()) view.close();
  }

  /** The views have changed: what is typed for them changes too. */
  private relayOut(): void {
    this.typing?.close();
    this.typing = undefined;
  }

  /**
   * Makes the changes count from their positions on. View rows are added first: nobody can see them until their version stands in
   * the table of versions, which changes in one transaction.
   */
  async apply(
    connection: Connection,
    changes: readonly Change[],
    replaced: readonly Replaced[],
  ): Promise<void> {
    await this.fill(connection, changes);
    await this.addRows(changes, [...this.views.values()]);
    await connection.run("BEGIN");
    try {
      await connection.run(
        `INSERT INTO ${this.versions} SELECT _lake_key::UUID, _from, ${OPEN}, ${OPEN}, _lake_source FROM ${this.incoming}`,
      );
      // After the new ones: a version that was replaced within this very batch ends where the next begins.
      if (replaced.length > 0) {
        const list = replaced.map(({ position, by }) => `(${position}, ${by})`).join(", ");
        await connection.run(
          `UPDATE ${this.versions} SET _to = r.until FROM (VALUES ${list}) r(position, until) WHERE _from = r.position`,
        );
      }
      await connection.run("COMMIT");
    } catch (error) {
      await connection.run("ROLLBACK").catch(() => undefined);
      throw error;
    }
    for (const view of this.views.values()) view.replace(replaced);
    this.oldest = Math.min(this.oldest, changes[0]!.position);
    this.newest = changes.at(-1)!.position;
  }

  /** True when nothing of the type had changed yet at a point: then there is nothing to overlay, for views long gone either. */
  isUntouchedAt({ position }: ReadPoint): boolean {
    return position < this.oldest;
  }

  /** Position of the last change up to a point; undefined when nothing has changed. For the newest points only, which is where reads begin. */
  lastChange({ position }: ReadPoint): number | undefined {
    return this.newest === 0 ? undefined : Math.min(this.newest, position);
  }

  /** Takes back everything after a position: what a failed batch may have left. */
  async undo(connection: Connection, position: number): Promise<void> {
    await connection.run(`DELETE FROM ${this.versions} WHERE _from > ${position}`);
    await connection.run(
      `UPDATE ${this.versions} SET _to = ${OPEN} WHERE _to > ${position} AND _to < ${OPEN}`,
    );
    for (const view of this.views.values()) await view.undo(connection, position);
  }

  /**
   * Removes every version of these resources, for held points too, with what the last batch left behind. `position` is that of the event which
   * said so: from there on answers are other ones. Readers at work keep what they have begun to read.
   */
  async erase(connection: Connection, keys: readonly string[], position: number): Promise<void> {
    await this.renewIncoming(connection);
    const list = keys.map((key) => `${quoteLiteral(key)}::UUID`).join(", ");
    const [row] = await connection.rows<{ n: string }>(
      `SELECT count(*) AS n FROM ${this.versions} WHERE _lake_key IN (${list})`,
    );
    if (Number(row?.n ?? 0) === 0) return;
    await connection.run(
      `CREATE OR REPLACE TABLE ${this.versions} AS SELECT * FROM ${this.versions} WHERE _lake_key NOT IN (${list})`,
    );
    for (const view of this.views.values()) await view.erase(connection, this.versions);
    this.plans.tablesChanged();
    this.newest = Math.max(this.newest, position);
  }

  /** Makes all tables anew with the rows that they have, which frees the memory of those that were removed. */
  async renew(connection: Connection): Promise<void> {
    if (this.newest === 0) return;
    await this.renewIncoming(connection);
    for (const table of [this.versions, ...[...this.views.values()].map((view) => view.table)]) {
      await connection.run(`CREATE OR REPLACE TABLE ${table} AS SELECT * FROM ${table}`);
    }
    this.plans.tablesChanged();
  }

  /** Makes the tables anew that texts pass through. */
  private async renewIncoming(connection: Connection): Promise<void> {
    this.relayOut();
    await connection.run(`DROP TABLE IF EXISTS ${this.typed}`);
    await this.createIncoming(connection);
  }

  private async fill(connection: Connection, changes: readonly Change[]): Promise<void> {
    await connection.run(`TRUNCATE ${this.incoming}`);
    await appendRows(connection, this.incomingName, incomingRows(changes));
  }

  /** Adds rows of views for changes whose versions stand, or will stand, in the table of versions. */
  private async addRows(changes: readonly Change[], views: readonly LiveView[]): Promise<void> {
    const positions = changes.filter((change) => change.kind === "U").map((change) => change.position);
    if (positions.length === 0 || views.length === 0) return;
    const { typing, shape } = await this.layOut();
    // Planning makes transactions of its own.
    await typing.ready();
    for (const view of views) await view.ready();
    const within = (work: () => Promise<void>): Promise<void> => this.withTyped(typing, work);
    try {
      await within(async () => {
        for (const view of views) await view.add();
      });
    } catch (error) {
      if (viewDataError(error) === undefined) throw error;
      const { connection } = this.plans;
      for (const view of views) {
        const select = (where: string): string => this.select(view, shape, where);
        await view.addSound(connection, { positions, select, within });
      }
    }
  }

  /**
   * Does something while the incoming changes stand in the typed table, in one transaction. The table is empty again before it ends: rows that
   * only ever stood in a transaction leave nothing behind, while those removed later would keep their memory.
   */
  private async withTyped(typing: Planned, work: () => Promise<void>): Promise<void> {
    const { connection } = this.plans;
    await connection.run("BEGIN");
    try {
      await typing.run();
      await work();
      await connection.run(`DELETE FROM ${this.typed}`);
      await connection.run("COMMIT");
    } catch (error) {
      await connection.run("ROLLBACK").catch(() => undefined);
      throw error;
    }
  }

  private shape(): ReturnType<typeof unionShape> {
    return unionShape([...this.views.values()].map((view) => view.compiled.requiredShape));
  }

  private select(view: LiveView, shape: ReturnType<typeof unionShape>, where: string): string {
    return view.compiled.sql({
      relation: where === "" ? this.typed : `(SELECT * FROM ${this.typed} ${where})`,
      shape,
      keyColumn: "_from",
      idColumn: "_lake_id",
      sourceColumn: "_lake_source",
      rawColumn: "raw",
    }).text;
  }

  /** Makes the table that incoming texts are typed into, with everything that some view reads, and plans the views over it. */
  async layOut(): Promise<{ typing: Planned; shape: ReturnType<typeof unionShape> }> {
    const shape = this.shape();
    if (this.typing !== undefined) return { typing: this.typing, shape };
    const parsed = duckdbTextRelation({
      relation: `(SELECT * FROM ${this.incoming} WHERE NOT deleted)`,
      textColumn: "raw",
      keep: KEPT,
      resourceType: this.type,
      shape,
      definitions: this.definitions,
    });
    await this.plans.connection.run(
      `CREATE OR REPLACE TABLE ${this.typed} AS SELECT * FROM (${parsed}) LIMIT 0`,
    );
    this.plans.tablesChanged();
    for (const view of this.views.values()) {
      view.planOver(this.plans, this.typed, (where) => this.select(view, shape, where));
    }
    this.typing = this.plans.statement(`INSERT INTO ${this.typed} ${parsed}`, this.incoming);
    return { typing: this.typing, shape };
  }

  /** Fills one new view with the rows of changes that count already. */
  async backfill(connection: Connection, view: LiveView, changes: readonly Change[]): Promise<void> {
    await this.fill(connection, changes);
    await this.addRows(changes, [view]);
  }

  /** Hides versions from snapshot `snapshot` on: those of a source up to a position, and those of these resources. */
  async hide(
    connection: Connection,
    snapshot: number,
    covered: ReadonlyMap<string, number>,
    keys: readonly string[],
  ): Promise<void> {
    const conditions = [...covered].map(
      ([source, position]) => `(_source = ${quoteLiteral(source)} AND _from <= ${position})`,
    );
    if (keys.length > 0) {
      conditions.push(`_lake_key IN (${keys.map((key) => `${quoteLiteral(key)}::UUID`).join(", ")})`);
    }
    if (conditions.length === 0 || this.newest === 0) return;
    await connection.run(
      `UPDATE ${this.versions} SET _until = ${snapshot} WHERE _until = ${OPEN} AND (${conditions.join(" OR ")})`,
    );
    for (const view of this.views.values()) await view.follow(connection, this.versions);
  }

  /** Frees what no read at or after this point can see. */
  async collect(connection: Connection, oldest: ReadPoint): Promise<void> {
    if (this.newest === 0) return;
    await connection.run(
      `DELETE FROM ${this.versions} WHERE _until <= ${oldest.snapshot} OR _to <= ${oldest.position}`,
    );
    for (const view of this.views.values()) await view.collect(connection, this.versions);
  }

  /** A SELECT of the versions (`_lake_key`, `_from`) that count at a point. */
  visible({ snapshot, position }: ReadPoint): string {
    return `SELECT _lake_key, _from FROM ${this.versions} WHERE _from <= ${position} AND _to > ${position} AND _until > ${snapshot}`;
  }

  /** The rows of a view that live versions give at a point: `_lake_key`, then its columns. */
  rows(view: LiveView, point: ReadPoint): string {
    const columns = view.compiled.columns.map((column) => `r.${quoteIdentifier(column.name)}`);
    return `SELECT ${["v._lake_key", ...columns].join(", ")} FROM ${view.table} r JOIN (${this.visible(point)}) v ON r._from = v._from`;
  }
}
