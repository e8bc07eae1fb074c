import { setTimeout as sleep } from "node:timers/promises";
import { type Lake, readOutcome, recordedErasures, type Snapshot } from "#lake";

/** What a process that keeps a lake open does about erasures. */
export interface ForgetErasedOptions {
  /** Ends the watch. */
  readonly signal: AbortSignal;
  /** Lets go of everything that was kept of older snapshots: in memory and as local copies. May be called several times. */
  readonly forget: () => Promise<void>;
  readonly onError?: (error: unknown) => void;
  /** Pause between two looks at the newest snapshot. Default two seconds. */
  readonly intervalMs?: number;
}

const LOOK_MS = 2000;
/** After more new snapshots than these between two looks it is taken for granted that an erasure was among them. */
const MOST_LOOKED_AT = 50;

async function erasureOf(lake: Lake, id: number): Promise<string | undefined> {
  const { operation } = await lake.history.at(id);
  return operation.kind === "erase" ? operation.erasure : undefined;
}

class Watch {
  private readonly lake: Lake;
  private readonly forget: () => Promise<void>;
  private seen: number | undefined;
  /** Erasures that have committed their snapshot but not removed everything yet. */
  private readonly open = new Set<string>();

  constructor(lake: Lake, forget: () => Promise<void>) {
    this.lake = lake;
    this.forget = forget;
  }

  async look(): Promise<void> {
    const head = await this.lake.history.latest();
    const due = head !== undefined && (await this.addNew(head));
    const pending = [...this.open];
    const ended: string[] = [];
    for (const id of pending) if ((await readOutcome(this.lake, id)) !== undefined) ended.push(id);
    // While an erasure is at work older snapshots can still be read, and what is read is kept again.
    if (due || pending.length > 0) await this.forget();
    for (const id of ended) this.open.delete(id);
  }

  /** Notes the erasures of snapshots that are new since the last look; true when there may be others. */
  private async addNew(head: Snapshot): Promise<boolean> {
    if (this.seen === undefined) {
      for (const { request, outcome } of await recordedErasures(this.lake)) {
        if (outcome === undefined) this.open.add(request.id);
      }
    }
    const seen = this.seen ?? head.id;
    this.seen = head.id;
    if (head.id - seen > MOST_LOOKED_AT) {
      for (const id of head.erasures ?? []) this.open.add(id);
      return true;
    }
    let unknown = false;
    for (let id = seen + 1; id <= head.id; id++) {
      const erasure = await erasureOf(this.lake, id).catch(() => {
        // Gone already, perhaps with a person.
        unknown = true;
        return undefined;
      });
      if (erasure !== undefined) this.open.add(erasure);
    }
    return unknown;
  }
}

/** Follows the lake's snapshots until the signal aborts and has everything forgotten that an erasure took out; then it resolves. */
export async function forgetErased(lake: Lake, options: ForgetErasedOptions): Promise<void> {
  const { signal, intervalMs = LOOK_MS } = options;
  const watch = new Watch(lake, options.forget);
  while (!signal.aborted) {
    await watch.look().catch((error: unknown) => options.onError?.(error));
    await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
  }
}
