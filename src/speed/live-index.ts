import type { Change } from "#landing";

/** No end yet: greater than every position and snapshot number. */
export const OPEN = Number.MAX_SAFE_INTEGER;

/** The newest live version of a resource. */
export interface LiveVersion {
  readonly key: string;
  readonly type: string;
  readonly source: string;
  readonly position: number;
  readonly order: string;
}

/** Position of a replaced live version, and the position from which it no longer counts. */
export interface Replaced {
  readonly position: number;
  readonly by: number;
}

/** What a batch of changes comes to: versions that count from their position on, and those that they replace. */
export interface Folded {
  /** In position order. A version that a later one of the same batch replaces is here too: readers may ask for positions between them. */
  readonly current: readonly Change[];
  readonly replaced: readonly Replaced[];
}

/**
 * Which versions count among the changes that no snapshot covers yet: per resource the one with the greatest order key. Pure
 * bookkeeping; what the lake itself holds is compared by the caller.
 */
export class LiveIndex {
  private readonly newest = new Map<string, LiveVersion>();

  get size(): number {
    return this.newest.size;
  }

  versions(): IterableIterator<LiveVersion> {
    return this.newest.values();
  }

  /** The greatest order key known of a resource here, or undefined. */
  orderOf(key: string): string | undefined {
    return this.newest.get(key)?.order;
  }

  /** What changes in position order come to; nothing is remembered before {@link remember}. Changes that lose are left out. */
  fold(changes: Iterable<Change>): Folded {
    const current: Change[] = [];
    const replaced: Replaced[] = [];
    const news = new Map<string, Change>();
    for (const change of changes) {
      const known = news.get(change.key) ?? this.newest.get(change.key);
      if (known !== undefined && known.order >= change.order) continue;
      if (known !== undefined) replaced.push({ position: known.position, by: change.position });
      news.set(change.key, change);
      current.push(change);
    }
    return { current, replaced };
  }

  /** Takes a fold's outcome over, once it stands in the tables. */
  remember({ current }: Folded): void {
    for (const { key, type, source, position, order } of current) {
      this.newest.set(key, { key, type, source, position, order });
    }
  }

  /** Forgets resources altogether. */
  drop(keys: Iterable<string>): void {
    for (const key of keys) this.newest.delete(key);
  }

  /** Forgets versions that a snapshot made needless. */
  forget(versions: Iterable<LiveVersion>): void {
    for (const version of versions) {
      if (this.newest.get(version.key)?.position === version.position) this.newest.delete(version.key);
    }
  }
}
