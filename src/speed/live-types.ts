import { compileView } from "#compiler";
import type { Connection } from "#duckdb";
import type { Lake, Snapshot, ViewState } from "#lake";
import type { Change } from "#landing";
import { coverageOf } from "./coverage.js";
import { groupByType } from "./group-by-type.js";
import type { Folded, LiveVersion } from "./live-index.js";
import { LiveType } from "./live-type.js";
import { LiveView } from "./live-view.js";
import type { Plans } from "./plans.js";
import type { ReadPoint } from "./read-point.js";

/** Tables are made anew when so many characters of texts have passed through them. */
const RENEW_CHARACTERS = 24 * 2 ** 20;

/** The tables of live versions and rows of all resource types, with the views of the snapshot that is read over. */
export class LiveTypes {
  private readonly lake: Lake;
  private readonly connection: Connection;
  private readonly plans: Plans;
  private readonly types = new Map<string, LiveType>();
  /** Characters of texts since {@link renew}. */
  private passed = 0;

  constructor(lake: Lake, connection: Connection, plans: Plans) {
    this.lake = lake;
    this.connection = connection;
    this.plans = plans;
  }

  /**
   * The steps that make tables and plans for every view of a snapshot, so that the first change of a type need not wait for them. Changes may
   * come between two steps.
   */
  preparation(snapshot: Snapshot | undefined): (() => Promise<void>)[] {
    const types = [...new Set(Object.values(snapshot?.views ?? {}).map((view) => view.resource))];
    // All tables at once and before the plans: each new one makes the plans before it worthless.
    const tables = async (): Promise<void> => {
      for (const type of types) await (await this.made(type, snapshot)).layOut();
    };
    const plans = types.map((type) => async () => this.types.get(type)?.ready());
    return [tables, ...plans];
  }

  get(type: string): LiveType | undefined {
    return this.types.get(type);
  }

  /** Forgets all tables; each is replaced when its type is next seen. */
  clear(): void {
    for (const type of this.types.values()) type.close();
    this.types.clear();
  }

  /** Takes back what a batch that failed half way left after a position. */
  async undo(position: number): Promise<void> {
    for (const type of this.types.values()) await type.undo(this.connection, position);
  }

  /** Makes a fold's outcome count from its positions on, with rows for the views of a snapshot. */
  async apply(folded: Folded, snapshot: Snapshot | undefined): Promise<void> {
    this.passed += folded.current.reduce((sum, { raw }) => sum + raw.length, 0);
    if (this.passed > RENEW_CHARACTERS) await this.renew();
    for (const [type, group] of groupByType(folded.current)) {
      const own = new Set(group.map((change) => change.position));
      const replaced = folded.replaced.filter(({ by }) => own.has(by));
      await (await this.made(type, snapshot)).apply(this.connection, group, replaced);
    }
  }

  /** Frees the memory of removed rows, see {@link Plans.open}. All views are planned again afterwards, which costs less than a second. */
  private async renew(): Promise<void> {
    this.passed = 0;
    for (const type of this.types.values()) await type.renew(this.connection);
  }

  private async made(type: string, snapshot: Snapshot | undefined): Promise<LiveType> {
    const known = this.types.get(type);
    if (known !== undefined) return known;
    const made = new LiveType(this.lake.definitions, type, this.plans);
    await made.create(this.connection);
    for (const view of Object.values(snapshot?.views ?? {})) {
      if (view.resource === type) await made.addView(this.connection, await this.liveView(view));
    }
    this.types.set(type, made);
    return made;
  }

  private async liveView(state: ViewState): Promise<LiveView> {
    const text = Buffer.from(await this.lake.store.get(state.definition)).toString("utf8");
    return new LiveView(state.hash, compileView(text, { definitions: this.lake.definitions }));
  }

  /** Hides from a snapshot on what it covers of the journal, and the versions that it holds newer ones of. */
  async hide(head: Snapshot, beaten: readonly LiveVersion[]): Promise<void> {
    const covered = coverageOf(head);
    const keys = groupByType(beaten);
    for (const [name, type] of this.types) {
      const hidden = (keys.get(name) ?? []).map((version) => version.key);
      await type.hide(this.connection, head.id, covered, hidden);
    }
  }

  /** Fills the views that a snapshot has and the live tables lack; `changesOf` reads a type's live changes again. */
  async adoptViews(head: Snapshot, changesOf: (type: string) => Promise<Change[]>): Promise<void> {
    const wanted = new Map(Object.values(head.views).map((view) => [view.hash, view]));
    for (const type of this.types.values()) {
      const missing = [...wanted.values()].filter(
        (view) => view.resource === type.type && type.view(view.hash) === undefined,
      );
      for (const state of missing) {
        const view = await this.liveView(state);
        await type.addView(this.connection, view);
        await type.backfill(this.connection, view, await changesOf(type.type));
      }
    }
  }

  /** Removes all versions of resources that an event at `position` says were erased. */
  async erase(keys: readonly string[], position: number): Promise<void> {
    for (const type of this.types.values()) await type.erase(this.connection, keys, position);
  }

  /** Frees what no read at or after a point can see; views that the newest snapshot no longer has go when nobody reads an older one. */
  async collect(oldest: ReadPoint, newest: Snapshot | undefined): Promise<void> {
    const wanted = new Set(Object.values(newest?.views ?? {}).map((view) => view.hash));
    for (const type of this.types.values()) {
      await type.collect(this.connection, oldest);
      // Readers at an older snapshot may still read the views that it had.
      if (oldest.snapshot < (newest?.id ?? 0)) continue;
      for (const hash of type.viewHashes) {
        if (!wanted.has(hash)) await type.dropView(this.connection, hash);
      }
    }
  }
}
