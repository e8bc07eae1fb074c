import type { SnapshotReader } from "./catalog.js";

/** How long states are kept for readers that page through them. */
export interface KeepPolicy {
  /** After the last page that was asked for. */
  readonly idleMs: number;
  /** After the state was first kept, however often it is used: the changes since pile up meanwhile. */
  readonly longestMs: number;
  /** Beyond so many, the one used longest ago goes. */
  readonly most: number;
}

/** Five minutes, an hour, a hundred. */
export const KEEP_POLICY: KeepPolicy = { idleMs: 300_000, longestMs: 3_600_000, most: 100 };

interface Kept {
  readonly reader: SnapshotReader;
  readonly end: NodeJS.Timeout;
  idle: NodeJS.Timeout;
}

/** A reader that several may hold: the state is given back when all of them have released it. */
export class SharedReader {
  private readonly inner: SnapshotReader;
  private holders = 0;

  constructor(inner: SnapshotReader) {
    this.inner = inner;
  }

  /** One more hold on the state. */
  hold(): SnapshotReader {
    this.holders++;
    let held = true;
    return {
      ...this.inner,
      release: () => {
        if (!held) return;
        held = false;
        if (--this.holders === 0) this.inner.release();
      },
    };
  }
}

/** A state is kept apart for each policy that it is read under. */
function nameOf(snapshot: number, epoch: number | undefined, policy: string | undefined): string {
  return `${snapshot}.${epoch ?? ""}.${policy ?? ""}`;
}

/** States of merged reads, held open between the pages of one answer: unlike a snapshot they cannot be opened again by number. */
export class KeptStates {
  private readonly kept = new Map<string, Kept>();
  private readonly shared = new Map<string, SharedReader>();
  private readonly policy: KeepPolicy;

  constructor(policy: KeepPolicy = KEEP_POLICY) {
    this.policy = policy;
  }

  /** Keeps the state of a reader, which it takes over. */
  keep(reader: SnapshotReader): void {
    const name = nameOf(reader.id, reader.epoch, reader.policy);
    if (this.kept.has(name)) {
      reader.release();
      this.renew(name);
      return;
    }
    const shared = new SharedReader(reader);
    this.shared.set(name, shared);
    const drop = (): void => this.drop(name);
    this.kept.set(name, {
      reader: shared.hold(),
      end: setTimeout(drop, this.policy.longestMs).unref(),
      idle: setTimeout(drop, this.policy.idleMs).unref(),
    });
    for (const oldest of this.kept.keys()) {
      if (this.kept.size <= this.policy.most) break;
      this.drop(oldest);
    }
  }

  /** A reader at a kept state; undefined when it is kept no more. */
  open(snapshot: number, epoch: number | undefined, policy?: string): SnapshotReader | undefined {
    const name = nameOf(snapshot, epoch, policy);
    if (!this.kept.has(name)) return undefined;
    this.renew(name);
    return this.shared.get(name)!.hold();
  }

  private renew(name: string): void {
    const kept = this.kept.get(name)!;
    clearTimeout(kept.idle);
    kept.idle = setTimeout(() => this.drop(name), this.policy.idleMs).unref();
    // The one used last is the last to go.
    this.kept.delete(name);
    this.kept.set(name, kept);
  }

  private drop(name: string): void {
    const kept = this.kept.get(name);
    if (kept === undefined) return;
    clearTimeout(kept.end);
    clearTimeout(kept.idle);
    this.kept.delete(name);
    this.shared.delete(name);
    kept.reader.release();
  }

  /** Gives all of them back; readers under way finish. */
  close(): void {
    for (const name of [...this.kept.keys()]) this.drop(name);
  }
}
