import { compileView } from "#compiler";
import { mapConcurrently } from "#kernel";
import type { Lake, Snapshot, ViewState } from "#lake";
import type { Change } from "#landing";
import { coverageOf } from "./coverage.js";
import { groupByType } from "./group-by-type.js";
import type { Folded, LiveVersion, Replaced } from "./live-index.js";
import { LiveType } from "./live-type.js";
import { LiveView } from "./live-view.js";
import type { Plans } from "./plans.js";
import type { ReadPoint } from "./read-point.js";

/** Tables are made anew when so many changes have passed through them since. */
const RENEW_AFTER = 50_000;
/** Types whose changes are applied at the same time. */
const SIDE_BY_SIDE = 2;

interface TypeWork {
  readonly type: LiveType;
  readonly changes: readonly Change[];
  readonly replaced: readonly Replaced[];
}

/** The tables of live versions and rows of all resource types, with the views of the snapshot that is read over. */
export class LiveTypes {
  private readonly lake: Lake;
  private readonly plans: Plans;
  private readonly types = new Map<string, LiveType>();
  /** Changes since {@link renew}. */
  private passed = 0;

  constructor(lake: Lake, plans: Plans) {
    this.lake = lake;
    this.plans = plans;
  }

  /**
   * The steps that make tables for every type that a snapshot holds or has views of, and plans for every view, so that the first change of a type
   * need not wait for them. Changes may come between two steps.
   */
  preparation(snapshot: Snapshot | undefined): (() => Promise<void>)[] {
    const viewed = Object.values(snapshot?.views ?? {}).map((view) => view.resource);
    const types = [...new Set([...viewed, ...Object.keys(snapshot?.tables ?? {})])];
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
    for (const type of this.types.values()) await type.undo(position);
  }

  /** Makes a fold's outcome count from its positions on, with rows for the views of a snapshot. */
  async apply(folded: Folded, snapshot: Snapshot | undefined): Promise<void> {
    this.passed += folded.current.length;
    if (this.passed > RENEW_AFTER) await this.renew();
    const replacedBy = new Map(folded.replaced.map((replaced) => [replaced.by, replaced]));
    const work: TypeWork[] = [];
    for (const [type, changes] of groupByType(folded.current)) {
      const replaced = changes.flatMap(({ position }) => replacedBy.get(position) ?? []);
      work.push({ type: await this.made(type, snapshot), changes, replaced });
    }
    // All tables before all plans: each new one makes the plans before it worthless.
    for (const { type } of work) await type.layOut();
    // The largest first, so that the others are done beside it.
    work.sort((a, b) => b.changes.length - a.changes.length);
    await mapConcurrently(work, SIDE_BY_SIDE, async ({ type, changes, replaced }) => {
      await type.ready();
      await type.apply(changes, replaced);
    });
  }

  /** Frees the memory of removed rows, see {@link Plans.open}. All views are planned again afterwards, which costs less than a second. */
  private async renew(): Promise<void> {
    this.passed = 0;
    for (const type of this.types.values()) await type.renew();
  }

  private async made(type: string, snapshot: Snapshot | undefined): Promise<LiveType> {
    const known = this.types.get(type);
    if (known !== undefined) return known;
    const made = await LiveType.create(this.lake.definitions, type, this.plans);
    for (const view of Object.values(snapshot?.views ?? {})) {
      if (view.resource === type) await made.addView(await this.liveView(view));
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
      await type.hide(head.id, covered, hidden);
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
        await type.addView(view);
        await type.backfill(view, await changesOf(type.type));
      }
    }
  }

  /** Removes all versions of resources that an event at `position` says were erased. */
  async erase(keys: readonly string[], position: number): Promise<void> {
    for (const type of this.types.values()) await type.erase(keys, position);
  }

  /** Frees what no read at or after a point can see; views that the newest snapshot no longer has go when nobody reads an older one. */
  async collect(oldest: ReadPoint, newest: Snapshot | undefined): Promise<void> {
    const wanted = new Set(Object.values(newest?.views ?? {}).map((view) => view.hash));
    for (const type of this.types.values()) {
      await type.collect(oldest);
      // Readers at an older snapshot may still read the views that it had.
      if (oldest.snapshot < (newest?.id ?? 0)) continue;
      for (const hash of type.viewHashes) {
        if (!wanted.has(hash)) await type.dropView(hash);
      }
    }
  }
}
