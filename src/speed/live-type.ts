import { viewDataError } from "#compiler";
import { type AppendedValue, appendRows, type Connection, quoteIdentifier, quoteLiteral } from "#duckdb";
import type { Definitions } from "#fhir";
import type { Change } from "#landing";
import { duckdbTextRelation } from "#sql";
import { OPEN, type Replaced } from "./live-index.js";
import type { LiveView } from "./live-view.js";
import { Mutex } from "./mutex.js";
import type { Lane, Planned, Plans } from "./plans.js";
import type { ReadPoint } from "./read-point.js";
import { unionShape } from "./union-shape.js";

/** Columns of an incoming change that views may read beside the typed ones. */
const KEPT = ["_from", "_lake_id", "_lake_source", "raw"];

function isUpdate({ kind }: Change): boolean {
  return kind === "U";
}

function* incomingRows(changes: readonly Change[]): Iterable<readonly AppendedValue[]> {
  for (const { position, key, id, source, kind, raw } of changes) {
    yield [position, key, id, source, kind === "D", raw];
  }
}

/** Changes that count from their positions on, in order, and the versions that they replace. */
interface Pending {
  readonly changes: Change[];
  readonly replaced: Replaced[];
  /** Of the changes' texts, about. */
  bytes: number;
}

const nothingPending = (): Pending => ({ changes: [], replaced: [], bytes: 0 });

/** What waits to be put into tables. */
export interface Backlog {
  readonly changes: number;
  readonly bytes: number;
}

/** What is planned for a type's batches. */
interface Layout {
  /** Makes incoming changes versions. */
  readonly versions: Planned;
  /** Fills the typed table from the incoming changes. */
  readonly typing: Planned;
  /** Empties both tables. */
  readonly emptying: readonly Planned[];
}

/**
 * Live versions of one resource type: a table of versions with the positions [_from, _to) and the snapshots below _until at which each
 * counts, and per view a table of rows that point to their version. One connection of its own writes all of them. Changes are {@link take}n at once
 * and put into the tables by {@link settle}, many together; whoever reads settles first. One piece of work at a time, but for `take`.
 */
export class LiveType {
  readonly type: string;
  /** For those who use the type side by side. */
  readonly turns = new Mutex();
  private readonly definitions: Definitions;
  /** Quoted names. */
  private readonly versions: string;
  private readonly incoming: string;
  private readonly incomingName: string;
  private readonly typed: string;
  private readonly plans: Plans;
  private readonly lane: Lane;
  private readonly views = new Map<string, LiveView>();
  /** Undefined until the views are known that it is for. */
  private layout: Layout | undefined;
  /** Changes that stand in no table yet, in position order. */
  private waiting = nothingPending();
  /** Those before them that are being put into tables. */
  private underWay: Pending | undefined;
  /** Everything up to this position stands in the tables. */
  private settledTo = 0;
  /** True while changes are being put into tables; still true afterwards when that failed. */
  private unclean = false;
  private oldest = OPEN;
  private newest = 0;

  private constructor(definitions: Definitions, type: string, plans: Plans, lane: Lane) {
    this.definitions = definitions;
    this.plans = plans;
    this.lane = lane;
    this.type = type;
    this.versions = quoteIdentifier(`live_versions_${type}`);
    this.incomingName = `live_incoming_${type}`;
    this.incoming = quoteIdentifier(this.incomingName);
    this.typed = quoteIdentifier(`live_typed_${type}`);
  }

  /** Makes empty tables, whatever stood in tables of these names. */
  static async create(definitions: Definitions, type: string, plans: Plans): Promise<LiveType> {
    const made = new LiveType(definitions, type, plans, await plans.lane(type));
    const { connection } = made.lane;
    await connection.run(
      `CREATE OR REPLACE TABLE ${made.versions} (_lake_key UUID, _from BIGINT, _to BIGINT, _until BIGINT, _source VARCHAR)`,
    );
    await connection.run(
      `CREATE OR REPLACE TABLE ${made.incoming} (_from BIGINT, _lake_key VARCHAR, _lake_id VARCHAR, _lake_source VARCHAR, deleted BOOLEAN, raw VARCHAR)`,
    );
    plans.tablesChanged();
    return made;
  }

  private get connection(): Connection {
    return this.lane.connection;
  }

  /** Makes and plans everything that the first change would otherwise wait for. */
  async ready(): Promise<void> {
    const { versions, typing, emptying } = await this.layOut();
    for (const planned of [versions, typing, ...emptying]) await planned.ready();
    for (const view of this.views.values()) await view.ready();
  }

  view(hash: string): LiveView | undefined {
    return this.views.get(hash);
  }

  get viewHashes(): readonly string[] {
    return [...this.views.keys()];
  }

  /** Adds an empty view; {@link backfill} fills it. */
  async addView(view: LiveView): Promise<void> {
    await view.create(this.connection);
    this.plans.tablesChanged();
    this.views.set(view.hash, view);
    this.relayOut();
  }

  async dropView(hash: string): Promise<void> {
    const view = this.views.get(hash);
    this.views.delete(hash);
    await view?.drop(this.connection);
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
    const { versions, typing, emptying = [] } = this.layout ?? {};
    for (const planned of [versions, typing, ...emptying]) planned?.close();
    this.layout = undefined;
  }

  /** Makes changes count from their positions on; tables have them when they are settled. */
  take(changes: readonly Change[], replaced: readonly Replaced[]): void {
    this.waiting.changes.push(...changes);
    this.waiting.replaced.push(...replaced);
    this.waiting.bytes += changes.reduce((sum, { raw }) => sum + raw.length, 0);
    this.oldest = Math.min(this.oldest, changes[0]!.position);
    this.newest = changes.at(-1)!.position;
  }

  /** Changes that are not settled yet, and about the bytes that their texts take. */
  get backlog(): Backlog {
    const all = [...(this.underWay === undefined ? [] : [this.underWay]), this.waiting];
    return {
      changes: all.reduce((sum, { changes }) => sum + changes.length, 0),
      bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
    };
  }

  /** True when tables have everything that counts at a position. */
  isSettledAt(position: number): boolean {
    const [first] = (this.underWay ?? this.waiting).changes;
    return first === undefined || first.position > position;
  }

  /** Puts all changes that wait into the tables: versions and rows of all views in one transaction. Those that fail wait on. {@link layOut} must have been called. */
  async settle(): Promise<void> {
    if (this.waiting.changes.length === 0) return;
    const work = this.waiting;
    this.underWay = work;
    this.waiting = nothingPending();
    try {
      if (this.unclean) await this.undo();
      await this.ready();
      this.unclean = true;
      await this.put(work);
      this.unclean = false;
      this.settledTo = work.changes.at(-1)!.position;
    } catch (error) {
      const { changes, replaced, bytes } = this.waiting;
      this.waiting = {
        changes: [...work.changes, ...changes],
        replaced: [...work.replaced, ...replaced],
        bytes: work.bytes + bytes,
      };
      throw error;
    } finally {
      this.underWay = undefined;
    }
  }

  private async put({ changes, replaced }: Pending): Promise<void> {
    const views = [...this.views.values()];
    const hasRows = changes.some(isUpdate);
    try {
      await this.within(changes, async () => {
        if (hasRows) for (const view of views) await view.add();
        await this.addVersions(replaced);
      });
    } catch (error) {
      if (viewDataError(error) === undefined) throw error;
      // Nobody sees rows of versions that do not stand in the table of versions yet.
      await this.addSound(changes, views);
      await this.within(changes, () => this.addVersions(replaced));
    }
    for (const view of views) view.replace(replaced);
  }

  private async addVersions(replaced: readonly Replaced[]): Promise<void> {
    await this.layout!.versions.run();
    // After the new ones: a version that was replaced within this very batch ends where the next begins.
    if (replaced.length === 0) return;
    const list = replaced.map(({ position, by }) => `(${position}, ${by})`).join(", ");
    await this.connection.run(
      `UPDATE ${this.versions} SET _to = r.until FROM (VALUES ${list}) r(position, until) WHERE _from = r.position`,
    );
  }

  /** True when nothing of the type had changed yet at a point: then there is nothing to overlay, for views long gone either. */
  isUntouchedAt({ position }: ReadPoint): boolean {
    return position < this.oldest;
  }

  /** Position of the last change up to a point; undefined when nothing has changed. For the newest points only, which is where reads begin. */
  lastChange({ position }: ReadPoint): number | undefined {
    return this.newest === 0 ? undefined : Math.min(this.newest, position);
  }

  /** Takes back what putting changes into tables has left when it failed half way. */
  private async undo(): Promise<void> {
    const { connection, settledTo } = this;
    await connection.run(`DELETE FROM ${this.versions} WHERE _from > ${settledTo}`);
    await connection.run(
      `UPDATE ${this.versions} SET _to = ${OPEN} WHERE _to > ${settledTo} AND _to < ${OPEN}`,
    );
    for (const view of this.views.values()) await view.undo(connection, settledTo);
  }

  /**
   * Removes every version of these resources, for held points too. `position` is that of the event which said so: from there on answers are
   * other ones. Readers at work keep what they have begun to read.
   */
  async erase(keys: readonly string[], position: number): Promise<void> {
    const { connection } = this;
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
  async renew(): Promise<void> {
    if (this.newest === 0) return;
    for (const table of [this.versions, ...[...this.views.values()].map((view) => view.table)]) {
      await this.connection.run(`CREATE OR REPLACE TABLE ${table} AS SELECT * FROM ${table}`);
    }
    this.plans.tablesChanged();
  }

  /**
   * Does something while changes stand in the tables of incoming and typed ones, in one transaction. Both are empty again before it ends: rows
   * that only ever stood in a transaction leave nothing behind, while those removed later would keep their memory.
   */
  private async within(changes: readonly Change[], work: () => Promise<void>): Promise<void> {
    const { typing, emptying } = this.layout!;
    await this.lane.transaction(async () => {
      await this.fill(changes);
      if (this.views.size > 0 && changes.some(isUpdate)) await typing.run();
      await work();
      for (const planned of emptying) await planned.run();
    });
  }

  private async fill(changes: readonly Change[]): Promise<void> {
    await appendRows(this.connection, this.incomingName, incomingRows(changes));
  }

  /** Adds rows where some view is broken by some of the changes: to each view those of all others. */
  private async addSound(changes: readonly Change[], views: readonly LiveView[]): Promise<void> {
    const updates = changes.filter(isUpdate);
    for (const view of views) {
      await view.addSound(updates, (some) => this.within(some, () => view.add()));
    }
  }

  private shape(): ReturnType<typeof unionShape> {
    return unionShape([...this.views.values()].map((view) => view.compiled.requiredShape));
  }

  private select(view: LiveView, shape: ReturnType<typeof unionShape>): string {
    return view.compiled.sql({
      relation: this.typed,
      shape,
      keyColumn: "_from",
      idColumn: "_lake_id",
      sourceColumn: "_lake_source",
      rawColumn: "raw",
    }).text;
  }

  /** Makes the table that incoming texts are typed into, with everything that some view reads, and lays down what will be planned over it. */
  async layOut(): Promise<Layout> {
    if (this.layout !== undefined) return this.layout;
    const shape = this.shape();
    const parsed = duckdbTextRelation({
      relation: `(SELECT * FROM ${this.incoming} WHERE NOT deleted)`,
      textColumn: "raw",
      keep: KEPT,
      resourceType: this.type,
      shape,
      definitions: this.definitions,
    });
    await this.connection.run(`CREATE OR REPLACE TABLE ${this.typed} AS SELECT * FROM (${parsed}) LIMIT 0`);
    this.plans.tablesChanged();
    for (const view of this.views.values()) view.planOver(this.lane, this.typed, this.select(view, shape));
    const versions = `INSERT INTO ${this.versions} SELECT _lake_key::UUID, _from, ${OPEN}, ${OPEN}, _lake_source FROM ${this.incoming}`;
    this.layout = {
      versions: this.lane.statement(versions, this.incoming),
      typing: this.lane.statement(`INSERT INTO ${this.typed} ${parsed}`, this.incoming),
      emptying: [this.typed, this.incoming].map((table) =>
        this.lane.statement(`DELETE FROM ${table}`, table),
      ),
    };
    return this.layout;
  }

  /** Fills one new view with the rows of changes that count already. */
  async backfill(view: LiveView, changes: readonly Change[]): Promise<void> {
    await this.ready();
    try {
      await this.within(changes, () => view.add());
    } catch (error) {
      if (viewDataError(error) === undefined) throw error;
      await this.addSound(changes, [view]);
    }
  }

  /** Hides versions from snapshot `snapshot` on: those of a source up to a position, and those of these resources. */
  async hide(snapshot: number, covered: ReadonlyMap<string, number>, keys: readonly string[]): Promise<void> {
    const conditions = [...covered].map(
      ([source, position]) => `(_source = ${quoteLiteral(source)} AND _from <= ${position})`,
    );
    if (keys.length > 0) {
      conditions.push(`_lake_key IN (${keys.map((key) => `${quoteLiteral(key)}::UUID`).join(", ")})`);
    }
    if (conditions.length === 0 || this.newest === 0) return;
    await this.connection.run(
      `UPDATE ${this.versions} SET _until = ${snapshot} WHERE _until = ${OPEN} AND (${conditions.join(" OR ")})`,
    );
    for (const view of this.views.values()) await view.follow(this.connection, this.versions);
  }

  /** Frees what no read at or after this point can see. */
  async collect(oldest: ReadPoint): Promise<void> {
    if (this.newest === 0) return;
    const { connection } = this;
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
