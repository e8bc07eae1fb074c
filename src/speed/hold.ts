import type { ReadPoint } from "./read-point.js";

/** Keeps what a reader at a point needs until released. */
export interface Hold extends ReadPoint {
  release(): void;
}

/**
 * A snapshot that takes another's place at one position. Where it came of the journal alone both points must give the same. Only such pairs may be
 * compared: once a change follows, what it replaces is told apart at the newer snapshot only.
 */
export interface HandOver {
  readonly before: Hold;
  readonly after: Hold;
}

/** The points that readers hold; what is older than all of them may be freed. */
export class Holds {
  private readonly held = new Set<ReadPoint>();

  take(point: ReadPoint): Hold {
    const kept = { ...point };
    this.held.add(kept);
    return { ...kept, release: () => void this.held.delete(kept) };
  }

  /** The least snapshot and the least position that are held or current. */
  oldest(current: ReadPoint): ReadPoint {
    let { snapshot, position } = current;
    for (const point of this.held) {
      snapshot = Math.min(snapshot, point.snapshot);
      position = Math.min(position, point.position);
    }
    return { snapshot, position };
  }
}
