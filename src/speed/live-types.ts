import { compileView } from "#compiler";
import { mapConcurrently } from "#kernel";
import type { Lake, Snapshot, ViewState } from "#lake";
import type { Change } from "#landing";
import { coverageOf } from "./coverage.js";
import { groupByType } from "./group-by-type.js";
import { type Folded, type LiveVersion, OPEN } from "./live-index.js";
import { type Backlog, LiveType } from "./live-type.js";
import { LiveView } from "./live-view.js";
import type { Plans } from "./plans.js";
import type { ReadPoint } from "./read-point.js";
import { SharedLock } from "./shared-lock.js";

/** Tables are made anew when so many changes have passed through them since. */
const RENEW_AFTER = 50_000;
/** Types that are settled at the same time. */
const SIDE_BY_SIDE = 2;

/**
 * The tables of live versions and rows of all resource types, with the views of the snapshot that is read over. What makes or drops tables is done
 * alone, because it makes every plan worthless; all else goes on side by side, one piece of work at a time for each type.
 */
export class LiveTypes {
  private readonly lake: Lake;
  private readonly plans: Plans;
  private readonly types = new Map<string, LiveType>();
  private readonly tables = new SharedLock();
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
    const tables = (): Promise<void> => this.make(types, snapshot);
    const plans = types.map((type) => () => this.with(type, (known) => known.ready()));
    // All tables before the plans: each new one makes the plans before it worthless.
    return [tables, ...plans];
  }

  get(type: string): LiveType | undefined {
    return this.types.get(type);
  }

  /** Does something with the tables of a type, if there are any, after what is done with them already. */
  private with(name: string, work: (type: LiveType) => Promise<void>): Promise<void> {
    return this.tables.shared(async () => {
      const type = this.types.get(name);
      await type?.turns.run(() => work(type));
    });
  }

  /** Forgets all tables; each is replaced when its type is next seen. */
  clear(): Promise<void> {
    return this.tables.exclusive(async () => {
      for (const type of this.types.values()) type.close();
      this.types.clear();
    });
  }

  /** Frees the plans and connections, after what is done with them. */
  close(): Promise<void> {
    return this.tables.exclusive(async () => this.plans.close());
  }

  /** Makes the tables that these types lack, with the views of a snapshot. */
  async make(names: Iterable<string>, snapshot: Snapshot | undefined): Promise<void> {
    const missing = [...names].filter((name) => !this.types.has(name));
    if (missing.length === 0) return;
    await this.tables.exclusive(async () => {
      for (const name of missing) this.types.set(name, await this.made(name, snapshot));
    });
  }

  /** Makes a fold's outcome count from its positions on; {@link make} has made the tables of its types. */
  take({ current, replaced }: Folded): void {
    const replacedBy = new Map(replaced.map((one) => [one.by, one]));
    for (const [name, changes] of groupByType(current)) {
      const ended = changes.flatMap(({ position }) => replacedBy.get(position) ?? []);
      this.types.get(name)!.take(changes, ended);
    }
    this.passed += current.length;
  }

  /** What waits to be settled, of all types. */
  get backlog(): Backlog {
    let [changes, bytes] = [0, 0];
    for (const { backlog } of this.types.values()) {
      changes += backlog.changes;
      bytes += backlog.bytes;
    }
    return { changes, bytes };
  }

  /** Puts what waits of a type into its tables unless they have everything up to a position. */
  async settle(name: string, position: number): Promise<void> {
    if (this.types.get(name)?.isSettledAt(position) !== false) return;
    await this.with(name, async (type) => {
      if (!type.isSettledAt(position)) await type.settle();
    });
  }

  /** Puts all that waits into the tables. */
  async settleAll(): Promise<void> {
    if (this.passed > RENEW_AFTER) await this.renew();
    const work = [...this.types.values()].filter((type) => type.backlog.changes > 0);
    // The largest first, so that the others are done beside it.
    work.sort((a, b) => b.backlog.changes - a.backlog.changes);
    await mapConcurrently(work, SIDE_BY_SIDE, ({ type }) => this.settle(type, OPEN));
  }

  /** Frees the memory of removed rows, see {@link Plans.open}. All views are planned again afterwards, which costs less than a second. */
  private renew(): Promise<void> {
    this.passed = 0;
    return this.tables.exclusive(async () => {
      for (const type of this.types.values()) await type.renew();
    });
  }

  private async made(type: string, snapshot: Snapshot | undefined): Promise<LiveType> {
    const made = await LiveType.create(this.lake.definitions, type, this.plans);
    for (const view of Object.values(snapshot?.views ?? {})) {
      if (view.resource === type) await made.addView(await this.liveView(view));
    }
    await made.layOut();
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
    for (const name of this.types.keys()) {
      const hidden = (keys.get(name) ?? []).map((version) => version.key);
      await this.with(name, async (type) => {
        await type.settle();
        await type.hide(head.id, covered, hidden);
      });
    }
  }

  /** Fills the views that a snapshot has and the live tables lack; `changesOf` reads a type's live changes again. */
  async adoptViews(head: Snapshot, changesOf: (type: string) => Promise<Change[]>): Promise<void> {
    const wanted = new Map(Object.values(head.views).map((view) => [view.hash, view]));
    for (const type of this.types.values()) {
      for (const state of wanted.values()) {
        if (state.resource !== type.type || type.view(state.hash) !== undefined) continue;
        const view = await this.liveView(state);
        const changes = await changesOf(type.type);
        await this.tables.exclusive(() => adopt(type, view, changes));
      }
    }
  }

  /** Removes all versions of resources that an event at `position` says were erased. */
  erase(keys: readonly string[], position: number): Promise<void> {
    return this.tables.exclusive(async () => {
      for (const type of this.types.values()) {
        await type.settle();
        await type.erase(keys, position);
      }
    });
  }

  /** Frees what no read at or after a point can see; views that the newest snapshot no longer has go when nobody reads an older one. */
  async collect(oldest: ReadPoint, newest: Snapshot | undefined): Promise<void> {
    const wanted = new Set(Object.values(newest?.views ?? {}).map((view) => view.hash));
    for (const [name, { viewHashes }] of this.types) {
      await this.with(name, (type) => type.collect(oldest));
      // Readers at an older snapshot may still read the views that it had.
      if (oldest.snapshot < (newest?.id ?? 0)) continue;
      const needless = viewHashes.filter((hash) => !wanted.has(hash));
      if (needless.length === 0) continue;
      await this.tables.exclusive(async () => {
        const type = this.types.get(name);
        for (const hash of needless) await type?.dropView(hash);
        await type?.layOut();
      });
    }
  }
}

/** Adds a view with the rows of changes that count already; all of it or nothing. */
async function adopt(type: LiveType, view: LiveView, changes: readonly Change[]): Promise<void> {
  await type.settle();
  await type.addView(view);
  try {
    await type.backfill(view, changes);
  } catch (error) {
    // A view without all its rows must not be read: it is tried again from the beginning.
    await type.dropView(view.hash);
    await type.layOut();
    throw error;
  }
}
