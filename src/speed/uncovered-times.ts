/** Changes accepted within one such time are remembered together. */
const GRAIN_MS = 1000;

interface Stretch {
  /** Acceptance of its first change, milliseconds since 1970. */
  readonly at: number;
  last: number;
}

/** When the changes that no snapshot covers were accepted, by source: to the second, and never later than it was. */
export class UncoveredTimes {
  private readonly bySource = new Map<string, Stretch[]>();

  /** Notes a change; positions of one source come in order. */
  add(source: string, position: number, at: number): void {
    const stretches = this.bySource.get(source) ?? [];
    this.bySource.set(source, stretches);
    const newest = stretches.at(-1);
    if (newest !== undefined && at - newest.at < GRAIN_MS) newest.last = position;
    else stretches.push({ at, last: position });
  }

  /** Forgets what is covered now; `covered` answers the position up to which (inclusive) a source is. */
  drop(covered: (source: string) => number): void {
    for (const [source, stretches] of this.bySource) {
      const left = stretches.filter((stretch) => stretch.last > covered(source));
      if (left.length === 0) this.bySource.delete(source);
      else this.bySource.set(source, left);
    }
  }

  /** When the oldest change was accepted; undefined when there is none. */
  oldest(): number | undefined {
    let oldest: number | undefined;
    for (const [first] of this.bySource.values()) {
      if (first !== undefined) oldest = Math.min(oldest ?? first.at, first.at);
    }
    return oldest;
  }
}
