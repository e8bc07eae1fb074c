import type { EventMark, SealedEvent } from "#events";
import { changeOrder, erasedKeysOf } from "#landing";
import { eventBytes, eventOf } from "./event-bytes.js";
import { type RedisArgument, type RedisLink, redisUnavailable } from "./redis-link.js";
import { APPLY, FORGET, LEAD, LOOK, PAGE, RESET, YIELD } from "./scripts.js";

/** Where the state in Redis stands, when it is whole. */
export interface Standing {
  /** Random; another one means that everything was begun anew. */
  readonly generation: string;
  /** Everything of the journal after `base` up to here is in. */
  readonly position: number;
  readonly base: number;
  /** Which event stands at or below the position; undefined when nothing says so. */
  readonly mark: EventMark | undefined;
  /** Position of the last erasure that is in; 0 when there is none. */
  readonly erasedAt: number;
  /** By source: versions up to there were let go, because a snapshot covers them. */
  readonly floors: ReadonlyMap<string, number>;
}

/** A range (after, upTo] of the journal with its changes. */
export interface Range {
  readonly after: number;
  readonly upTo: number;
  readonly mark: EventMark | undefined;
  readonly events: readonly SealedEvent[];
}

/** Entries of the stream stay for so many journal positions. */
const KEPT_POSITIONS = 20_000;
const FORGET_AT_ONCE = 1000;
const ENTRIES_AT_ONCE = 16;

function text(value: unknown): string {
  return value instanceof Buffer ? value.toString("utf8") : String(value);
}

function list(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw redisUnavailable();
  return value;
}

function markOf(position: string, id: string): EventMark | undefined {
  return id === "" ? undefined : { position: Number(position), id };
}

function markArguments(mark: EventMark | undefined): RedisArgument[] {
  return mark === undefined ? ["0", ""] : [String(mark.position), mark.id];
}

/** What {@link APPLY} takes of an event: a version by its resource; of an erasure the resources that go, then the event itself. */
function eventArguments(event: SealedEvent): RedisArgument[] {
  const position = String(event.position);
  const erased = erasedKeysOf({ type: event.type, data: JSON.parse(event.data) as unknown });
  if (erased !== undefined) {
    const gone = erased.flatMap((key) => [key, "", "", position, ""]);
    return [...gone, "", "", "", position, eventBytes(event)];
  }
  const { order, source } = changeOrder(event);
  return [event.subject!, order, source, position, eventBytes(event)];
}

function rangeOf(entry: unknown): Range {
  const [id, values] = list(entry);
  const fields = list(values);
  const [, previous, , markPosition, , mark] = fields.slice(0, 6).map(text);
  const events: SealedEvent[] = [];
  for (let at = 7; at < fields.length; at += 2) events.push(eventOf(fields[at] as Buffer));
  return {
    after: Number(previous),
    upTo: Number(text(id).split("-", 1)[0]),
    mark: markOf(markPosition!, mark!),
    events,
  };
}

/** The state that processes share in Redis: newest versions by resource key, and the changes that led there. All methods may fail
 * with `speed/redis-unavailable`. */
export class SharedState {
  private readonly link: RedisLink;
  private readonly identity: string;
  private readonly keys: readonly string[];
  private readonly lease: string;

  /** `lake` names the keys in Redis, `identity` is the journal's. */
  constructor(link: RedisLink, place: { readonly lake: string; readonly identity: string }) {
    this.link = link;
    this.identity = place.identity;
    // The braces keep all keys of a lake on one node of a cluster.
    const key = (name: string): string => `fhir-lake:{${place.lake}}:${name}`;
    this.keys = ["meta", "events", "orders", "epochs", "changes"].map(key);
    this.lease = key("writer");
  }

  private async run(script: string, args: readonly RedisArgument[]): Promise<unknown[]> {
    return list(await this.link.run(script, this.keys, [this.identity, ...args]));
  }

  /** Where the state stands; `missing`, `foreign` (another journal's) or `damaged` when it cannot be used. */
  async look(): Promise<Standing | "missing" | "foreign" | "damaged"> {
    const [state, generation, position, base, markPosition, mark, erased, floors] = await this.run(LOOK, []);
    const name = text(state);
    if (name === "missing" || name === "foreign" || name === "damaged") return name;
    const flat = list(floors).map(text);
    return {
      generation: text(generation),
      position: Number(text(position)),
      base: Number(text(base)),
      mark: markOf(text(markPosition), text(mark)),
      erasedAt: Number(text(erased)),
      floors: new Map(
        flat.flatMap((source, at) => (at % 2 === 0 ? [[source, Number(flat[at + 1])] as const] : [])),
      ),
    };
  }

  /** Forgets everything and begins at a position, at which an event may stand. */
  async reset(generation: string, position: number, mark: EventMark | undefined): Promise<void> {
    await this.run(RESET, [generation, String(position), ...markArguments(mark)]);
  }

  /** Takes a range in. False when the state does not stand where the range begins, or cannot be used: look again. */
  async apply(generation: string, { after, upTo, mark, events }: Range): Promise<boolean> {
    const args: RedisArgument[] = [
      generation,
      String(after),
      String(upTo),
      `${Math.max(0, upTo - KEPT_POSITIONS)}-0`,
      ...markArguments(mark),
    ];
    for (const event of events) args.push(...eventArguments(event));
    const [state] = await this.run(APPLY, args);
    return text(state) === "ok";
  }

  /** Newest versions after a position, by position; undefined when the state is not that of the generation any more. */
  async page(
    generation: string,
    after: number,
    limit: number,
  ): Promise<{ readonly last: number; readonly events: SealedEvent[] } | undefined> {
    const [state, last, ...events] = await this.run(PAGE, [generation, String(after), limit]);
    if (text(state) !== "ok") return undefined;
    return { last: Number(text(last)), events: events.map((bytes) => eventOf(bytes as Buffer)) };
  }

  /** Entries after a position, of which the first may begin before it; waits for one up to so many milliseconds. */
  async entries(after: number, waitMs: number): Promise<Range[]> {
    const reply = await this.link.wait(
      "XREAD",
      ["COUNT", ENTRIES_AT_ONCE, "BLOCK", Math.max(1, waitMs), "STREAMS", this.keys[4]!, `${after}-0`],
      waitMs,
    );
    if (reply === null) return [];
    const [stream] = list(reply);
    return list(list(stream)[1]).map(rangeOf);
  }

  /** Lets versions go that a snapshot covers, by source. */
  async forget(covered: ReadonlyMap<string, number>): Promise<void> {
    const pairs = [...covered].flatMap(([source, position]) => [source, String(position)]);
    if (pairs.length === 0) return;
    for (let skip = 0; ; ) {
      const [, looked, gone] = (await this.run(FORGET, [skip, FORGET_AT_ONCE, ...pairs])).map(text);
      if (Number(looked) < FORGET_AT_ONCE) return;
      skip += Number(looked) - Number(gone);
    }
  }

  /** Takes or keeps the lease of the process that writes; false when another one holds it. */
  async lead(token: string, forMs: number): Promise<boolean> {
    return (await this.link.run(LEAD, [this.lease], [token, forMs])) === 1;
  }

  /** Gives the lease up. */
  async yield(token: string): Promise<void> {
    await this.link.run(YIELD, [this.lease], [token]);
  }
}
