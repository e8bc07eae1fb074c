import { type Clock, isLakeError, LakeError, mapConcurrently } from "#kernel";
import type { ObjectStore } from "#storage";
import { type LeaseContext, leaseHolder } from "./lease.js";
import { isRunId, runIdTime } from "./run-id.js";
import type { RunRecord } from "./run-record.js";

/**
 * The ledger of runs: `runs/<run id>/<nnnn>.json`, one immutable object per event of a run, each with the whole record as it is then.
 * The last one counts; once the run is over, the earlier ones are removed.
 */

const READ_TOGETHER = 16;

function keyOf(runId: string, number: number): string {
  return `runs/${runId}/${String(number).padStart(4, "0")}.json`;
}

/** The lease of a source. */
export function sourceLease(source: string): string {
  return `source-${source}`;
}

type Start = Pick<RunRecord, "runId" | "source" | "full" | "trigger">;

/** The record of a run under way, told to the ledger event by event. */
export class OpenRun {
  private readonly store: Pick<ObjectStore, "putIfAbsent" | "delete">;
  private readonly clock: Clock;
  private current: RunRecord;
  private events = 0;

  private constructor(store: OpenRun["store"], clock: Clock, record: RunRecord, events: number) {
    this.store = store;
    this.clock = clock;
    this.current = record;
    this.events = events;
  }

  /** Begins a run under an id of {@link newRunId}, which is the purpose of the lease too. */
  static async begin(
    store: Pick<ObjectStore, "putIfAbsent" | "delete">,
    clock: Clock,
    start: Start,
  ): Promise<OpenRun> {
    const run = new OpenRun(
      store,
      clock,
      {
        ...start,
        state: "running",
        startedAt: new Date(runIdTime(start.runId)).toISOString(),
        finishedAt: null,
        kind: null,
        resumes: null,
        snapshot: null,
        types: {},
        error: null,
        warnings: [],
        statistics: null,
        durations: {},
      },
      0,
    );
    await run.tell({});
    return run;
  }

  /** Goes on with a record that was read, after `events` events. */
  static continued(
    store: Pick<ObjectStore, "putIfAbsent" | "delete">,
    clock: Clock,
    record: RunRecord,
    events: number,
  ): OpenRun {
    return new OpenRun(store, clock, record, events);
  }

  get record(): RunRecord {
    return this.current;
  }

  /** Adds to the record without writing it yet. */
  note(more: Partial<RunRecord>): void {
    this.current = { ...this.current, ...more };
  }

  /** Writes the record with these additions. Errors: `runs/ledger-moved` when another process has ended the run. */
  async tell(more: Partial<RunRecord>): Promise<void> {
    this.note(more);
    const key = keyOf(this.current.runId, this.events + 1);
    const outcome = await this.store.putIfAbsent(key, Buffer.from(JSON.stringify(this.current)));
    if (outcome === "exists") {
      throw new LakeError(
        "conflict",
        "runs/ledger-moved",
        `The run ${this.current.runId} was declared interrupted by another process; this one stopped.`,
      );
    }
    this.events++;
  }

  /** Ends the run. */
  async end(
    state: Exclude<RunRecord["state"], "running">,
    more: Partial<RunRecord> = {},
  ): Promise<RunRecord> {
    await this.tell({ ...more, state, finishedAt: this.clock.now().toISOString() });
    for (let number = 1; number < this.events; number++) {
      await this.store.delete(keyOf(this.current.runId, number)).catch(() => undefined);
    }
    return this.current;
  }
}

/** What the ledger is read from. */
export type LedgerContext = Omit<LeaseContext, "store"> & {
  readonly store: Pick<ObjectStore, "putIfAbsent" | "get" | "list" | "delete">;
};

/** Reads the ledger; records of runs that are over are kept in memory. */
export class Ledger {
  private readonly context: LedgerContext;
  private readonly over = new Map<string, RunRecord>();

  constructor(context: LedgerContext) {
    this.context = context;
  }

  /**
   * The newest runs first, at most `limit`, of one source if one is named. A run that nobody is at work on any more is shown as
   * `interrupted`, whether or not that is written down yet.
   */
  async list(options: { readonly source?: string; readonly limit?: number } = {}): Promise<RunRecord[]> {
    const limit = options.limit ?? Number.POSITIVE_INFINITY;
    const events = await this.events();
    const ids = [...events.keys()].sort().reverse();
    const found: RunRecord[] = [];
    for (let i = 0; i < ids.length && found.length < limit; i += READ_TOGETHER) {
      const records = await mapConcurrently(ids.slice(i, i + READ_TOGETHER), READ_TOGETHER, (id) =>
        this.at(id, events.get(id)!.last),
      );
      for (const record of records) {
        if (record !== undefined && (options.source ?? record.source) === record.source) found.push(record);
      }
    }
    return found.slice(0, limit);
  }

  /** The run of that id or of that beginning of an id. Errors: `runs/no-such-run`, `runs/ambiguous-run`. */
  async get(id: string): Promise<RunRecord> {
    const events = await this.events();
    const matching = [...events.keys()].filter(
      (known) => known === id || (id.length >= 8 && known.startsWith(id)),
    );
    if (matching.length > 1) {
      throw new LakeError(
        "invalid-input",
        "runs/ambiguous-run",
        "Several runs begin so; write more of the id.",
      );
    }
    const record =
      matching[0] === undefined ? undefined : await this.at(matching[0], events.get(matching[0])!.last);
    if (record !== undefined) return record;
    throw new LakeError(
      "not-found",
      "runs/no-such-run",
      "There is no run of that id; the list of runs names them.",
    );
  }

  /**
   * Writes down that runs of a source which still call themselves running are interrupted. For the holder of the source's lease, before
   * it begins a run. Returns them, newest first.
   */
  async closeInterrupted(source: string): Promise<RunRecord[]> {
    const closed: RunRecord[] = [];
    for (const [id, { first, last }] of [...(await this.events())].sort().reverse()) {
      // A run that is over has lost its first event.
      const record = first === 1 ? await this.read(id, last) : undefined;
      if (record?.state !== "running" || record.source !== source) continue;
      const run = OpenRun.continued(this.context.store, this.context.clock, record, last);
      try {
        closed.push(await run.end("interrupted"));
      } catch (error) {
        // Its process lives, without the lease: it will stop by itself and say so.
        if (!isLakeError(error, "runs/ledger-moved")) throw error;
      }
    }
    return closed;
  }

  /** Removes records of runs that began before `cutoffMs`, except the newest run of each source. */
  async removeBefore(cutoffMs: number): Promise<number> {
    const old = (await this.list()).filter((run, i, all) => {
      const newest = all.findIndex((other) => other.source === run.source) === i;
      return !newest && run.state !== "running" && runIdTime(run.runId) < cutoffMs;
    });
    for (const { runId } of old) {
      for await (const { key } of this.context.store.list(`runs/${runId}/`))
        await this.context.store.delete(key);
      this.over.delete(runId);
    }
    return old.length;
  }

  /** Numbers of the first and the last event by run. */
  private async events(): Promise<Map<string, { first: number; last: number }>> {
    const events = new Map<string, { first: number; last: number }>();
    for await (const { key } of this.context.store.list("runs/")) {
      const [, id, digits] = /^runs\/([^/]+)\/(\d{4})\.json$/.exec(key) ?? [];
      if (id === undefined || !isRunId(id)) continue;
      const number = Number(digits);
      const known = events.get(id);
      events.set(id, {
        first: Math.min(known?.first ?? number, number),
        last: Math.max(known?.last ?? number, number),
      });
    }
    return events;
  }

  private async at(id: string, event: number): Promise<RunRecord | undefined> {
    const known = this.over.get(id);
    if (known !== undefined) return known;
    const record = await this.read(id, event);
    if (record?.state !== "running") return record;
    const holder = await leaseHolder(this.context, sourceLease(record.source));
    return holder?.purpose === id ? record : { ...record, state: "interrupted" };
  }

  private async read(id: string, event: number): Promise<RunRecord | undefined> {
    // A later event may have come, and this one gone, between the listing and now.
    for (let number = event; number < event + 10; number++) {
      try {
        const bytes = await this.context.store.get(keyOf(id, number));
        const record = JSON.parse(Buffer.from(bytes).toString("utf8")) as RunRecord;
        if (record.state !== "running") this.over.set(id, record);
        return record;
      } catch (error) {
        if (!isLakeError(error, "storage/not-found")) throw error;
      }
    }
    return undefined;
  }
}
