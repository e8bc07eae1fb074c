import { rm } from "node:fs/promises";
import path from "node:path";
import { type Database, quoteIdentifier, quoteLiteral } from "#duckdb";
import { type Lake, type LayerSource, spaceAt, type ViewLayer, type ViewState, viewLayerRows } from "#lake";
import type { KeyRange } from "../catalog.js";
import { clusteredColumn } from "../question/columns.js";
import type { RowGroups } from "./row-groups.js";
import { COPIED_ROWS, GROUP_COLUMN, removeCopy, writeCopy } from "./write-copy.js";

/** How copies are kept. */
export interface HotCopiesOptions {
  /** The engine that reads them. */
  readonly database: Database;
  /** An empty folder that nobody else looks into. {@link HotCopies.close} removes it. */
  readonly folder: string;
  /** What all copies may take of the disk; never more than a tenth of what is free without them. */
  readonly mostBytes: number;
  /** For making a copy. Default 128 MiB. */
  readonly memoryLimitBytes?: number;
  /** A layer is copied when its view's rows were asked for so many times within {@link withinMs}. Default 5. */
  readonly times?: number;
  /** Default a minute. A copy that was read within it does not make room for another. */
  readonly withinMs?: number;
  /** Layers of fewer rows are read from their files, which costs little. Default 10,000. */
  readonly leastRows?: number;
  /** Told of copies that could not be made or removed; reading goes on from files. */
  readonly onError?: (error: unknown) => void;
}

/** What copies take. */
export interface HotCopiesState {
  readonly copies: number;
  readonly bytes: number;
}

/** A reader's claim on copies: those that it was given stay until it is released, unless an erasure takes them. */
export interface CopyLease {
  /** The copies of a view's layers just now, for its SQL; with a range, without rows outside of it. Counts as asking for the view. */
  take(view: ViewState, range?: KeyRange): LayerSource;
  /** How far so many rows of a view reach, as {@link RowGroups.reach} says of the layer that has most of them; undefined where that has no copy. */
  reach(view: ViewState, from: string | undefined, rows: number): string | undefined;
  release(): void;
}

interface Copy {
  /** Under which the engine knows it. */
  readonly name: string;
  readonly file: string;
  readonly sizeBytes: number;
  readonly groups: RowGroups | undefined;
  /** Readers that may be at it. */
  users: number;
  readAtMs: number;
}

interface Wanted {
  readonly lake: Lake;
  readonly view: ViewState;
  readonly layer: ViewLayer;
}

const MIB = 1 << 20;
/** A copy takes about so many times the bytes of its files, for values are packed less tightly, and the engine's own blocks beside. */
const GROWTH = 3;
const LEAST_BYTES = MIB / 2;
const SHARE_OF_FREE = 0.1;
/** So long a layer that could not be copied is left alone. */
const REFUSED_MS = 600_000;
/** So long nothing is copied after an erasure was noticed, which may go on. */
const QUIET_MS = 10_000;
/** A copy that nobody has read for so long goes. */
const IDLE_MS = 3_600_000;
const LOOK_MS = 60_000;

/** Copies of this process so far, whichever lake they are of: their names are told apart by it. */
let made = 0;

/** Layers consist of the same files for ever, so that their keys name their contents. */
function keyOf(layer: ViewLayer): string {
  return layer.files.map((file) => file.key).join("\n");
}

function sourceSql({ name, groups }: Copy, range: KeyRange | undefined): string {
  const rows = `SELECT * EXCLUDE (${GROUP_COLUMN}) FROM ${quoteIdentifier(name)}.main.${COPIED_ROWS}`;
  if (range === undefined || groups === undefined || groups.column !== range.column) return `(${rows})`;
  const span = groups.span(range);
  const where = span === undefined ? "false" : `${GROUP_COLUMN} BETWEEN ${span.first} AND ${span.last}`;
  return `(${rows} WHERE ${where})`;
}

/**
 * Copies of layers of materialized views in the engine's own format, each in a database file of its own, made in the background of those that are asked
 * for again and again. They stand for files that never change, so they are never stale. A file is attached, read-only, when it is complete; nothing that
 * an earlier process left is ever looked at. The copies that were read longest ago make room for others.
 */
export class HotCopies {
  private readonly options: Required<Omit<HotCopiesOptions, "onError">> & Pick<HotCopiesOptions, "onError">;
  /** By key of the layer; the one read last is the last. */
  private readonly copies = new Map<string, Copy>();
  /** By key: when the layer was asked for lately. */
  private readonly asked = new Map<string, number[]>();
  /** By key: until when a layer is left alone. */
  private readonly refused = new Map<string, number>();
  private readonly queue = new Map<string, Wanted>();
  private readonly looking: NodeJS.Timeout;
  private abort = new AbortController();
  private working: Promise<void> | undefined;
  private quietUntilMs = 0;
  private closed = false;

  constructor(options: HotCopiesOptions) {
    this.options = {
      memoryLimitBytes: 128 * MIB,
      times: 5,
      withinMs: 60_000,
      leastRows: 10_000,
      ...options,
    };
    this.looking = setInterval(() => void this.dropIdle(), LOOK_MS);
    this.looking.unref();
  }

  /** What is kept now. */
  state(): HotCopiesState {
    let bytes = 0;
    for (const copy of this.copies.values()) bytes += copy.sizeBytes;
    return { copies: this.copies.size, bytes };
  }

  /** A claim of one reader of a lake's views. */
  lease(lake: Lake): CopyLease {
    const held = new Set<Copy>();
    let open = true;
    return {
      take: (view, range) => {
        const sources = new Map<ViewLayer, string>();
        // One that was released has no claim any more.
        if (!open) return () => undefined;
        for (const layer of view.layers) {
          const copy = this.find(lake, view, layer);
          if (copy === undefined) continue;
          if (!held.has(copy)) copy.users++;
          held.add(copy);
          sources.set(layer, sourceSql(copy, range));
        }
        return (layer) => sources.get(layer);
      },
      reach: ({ layers }, from, rows) => {
        const largest = layers.reduce<ViewLayer | undefined>(
          (most, layer) => (most === undefined || layer.rows > most.rows ? layer : most),
          undefined,
        );
        return largest && this.copies.get(keyOf(largest))?.groups?.reach(from, rows);
      },
      release: () => {
        open = false;
        for (const copy of held) copy.users--;
        held.clear();
      },
    };
  }

  /** Resolves when every copy that was wanted by now is made or given up. */
  async settled(): Promise<void> {
    await this.working;
  }

  /** Removes all copies at once, whoever reads them: what they are made from may be gone for good. Questions under way may fail. */
  async forget(): Promise<void> {
    this.quietUntilMs = Date.now() + QUIET_MS;
    this.abort.abort();
    this.abort = new AbortController();
    this.queue.clear();
    this.asked.clear();
    const all = [...this.copies];
    this.copies.clear();
    for (const [, copy] of all) await this.remove(copy);
    await this.working;
  }

  /** Removes everything; nothing is copied any more. */
  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.looking);
    await this.forget();
    await rm(this.options.folder, { recursive: true, force: true });
  }

  private find(lake: Lake, view: ViewState, layer: ViewLayer): Copy | undefined {
    if (layer.rows < this.options.leastRows || layer.files.length === 0) return undefined;
    const key = keyOf(layer);
    const copy = this.copies.get(key);
    if (copy === undefined) {
      this.note(key, { lake, view, layer });
      return undefined;
    }
    copy.readAtMs = Date.now();
    this.copies.delete(key);
    this.copies.set(key, copy);
    return copy;
  }

  /** Counts who asks, and has the layer copied once they are enough. */
  private note(key: string, wanted: Wanted): void {
    const now = Date.now();
    const { times, withinMs } = this.options;
    if (this.closed || now < this.quietUntilMs || this.queue.has(key)) return;
    if (now < (this.refused.get(key) ?? 0)) return;
    const recent = (this.asked.get(key) ?? []).filter((at) => now - at < withinMs);
    recent.push(now);
    this.asked.set(key, recent);
    if (recent.length < times) return;
    this.asked.delete(key);
    this.queue.set(key, wanted);
    this.working ??= this.work().finally(() => {
      this.working = undefined;
    });
  }

  private async work(): Promise<void> {
    for (;;) {
      const [next] = this.queue;
      if (next === undefined) return;
      const [key, wanted] = next;
      const { signal } = this.abort;
      try {
        if (!(await this.copy(key, wanted, signal))) this.refuse(key);
      } catch (error) {
        if (!signal.aborted) {
          this.refuse(key);
          this.options.onError?.(error);
        }
      }
      this.queue.delete(key);
    }
  }

  private refuse(key: string): void {
    this.refused.set(key, Date.now() + REFUSED_MS);
  }

  /** False when there is no room. */
  private async copy(key: string, { lake, view, layer }: Wanted, signal: AbortSignal): Promise<boolean> {
    const { folder, memoryLimitBytes } = this.options;
    const packed = layer.files.reduce((sum, file) => sum + file.sizeBytes, 0);
    const expected = GROWTH * packed + LEAST_BYTES;
    const mostBytes = await this.room(expected);
    if (mostBytes < expected) return false;
    const name = `_lake_hot_${++made}`;
    const file = path.join(folder, `${name}.duckdb`);
    const hold = lake.store.hold();
    try {
      const select = await lake.readingInto(hold, () => viewLayerRows(lake, layer));
      const clustered = clusteredColumn(view);
      const { rows } = layer;
      const written = await writeCopy({ select, rows, clustered, file, mostBytes, memoryLimitBytes, signal });
      const copy: Copy = { name, file, ...written, users: 0, readAtMs: Date.now() };
      await this.attach(copy);
      // What it is made from may have been erased meanwhile.
      if (signal.aborted) await this.remove(copy);
      signal.throwIfAborted();
      this.copies.set(key, copy);
      return true;
    } finally {
      await hold.release();
    }
  }

  /** Makes the copy known to the engine; when that fails nothing is left. */
  private async attach({ name, file }: Copy): Promise<void> {
    try {
      await this.options.database.with((connection) =>
        connection.run(`ATTACH ${quoteLiteral(file)} AS ${quoteIdentifier(name)} (READ_ONLY)`),
      );
    } catch (error) {
      await removeCopy(file);
      throw error;
    }
  }

  /** How large a new copy may become, once copies that nobody needs have made room for so many bytes, as far as there are such. */
  private async room(expected: number): Promise<number> {
    const { folder, mostBytes, withinMs } = this.options;
    const free = (await spaceAt(folder))?.freeBytes ?? Number.POSITIVE_INFINITY;
    const bound = Math.min(mostBytes, (free + this.state().bytes) * SHARE_OF_FREE);
    const now = Date.now();
    for (const [key, copy] of [...this.copies]) {
      if (this.state().bytes + expected <= bound) break;
      if (copy.users > 0 || now - copy.readAtMs < withinMs) continue;
      this.copies.delete(key);
      await this.remove(copy);
    }
    return bound - this.state().bytes;
  }

  private async dropIdle(): Promise<void> {
    const now = Date.now();
    for (const [key, until] of this.refused) if (until <= now) this.refused.delete(key);
    for (const [key, times] of this.asked) {
      if (times.every((at) => now - at >= this.options.withinMs)) this.asked.delete(key);
    }
    for (const [key, copy] of [...this.copies]) {
      if (copy.users > 0 || now - copy.readAtMs < IDLE_MS) continue;
      this.copies.delete(key);
      await this.remove(copy);
    }
  }

  private async remove({ name, file }: Copy): Promise<void> {
    try {
      // The file first: its bytes go even if the engine should refuse.
      await removeCopy(file);
      await this.options.database.with((connection) => connection.run(`DETACH ${quoteIdentifier(name)}`));
    } catch (error) {
      this.options.onError?.(error);
    }
  }
}
