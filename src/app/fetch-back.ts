import type { EventStore, StoredEvent, Subscription } from "#events";
import { type ChangeContext, ChangeReader, type FhirHttp, readResource } from "#ingestion";
import { type Clock, isLakeError, LakeError, mapConcurrently } from "#kernel";
import type { Lake } from "#lake";
import { instantOfMs, type NewChange, resourceKey } from "#landing";
import type { LiveLake } from "#speed";
import { FETCH_PREFIX, journalPorts } from "./receive.js";

/** A source that resources can be read from. */
export interface FetchSource {
  readonly policy: "time" | "version";
  readonly http: FhirHttp;
}

/** What fetching back works with. */
export interface FetchBackOptions {
  readonly lake: Lake;
  readonly journal: EventStore;
  readonly rows: LiveLake;
  /** The source of that name, or undefined when it is not configured here. */
  readonly source: (name: string) => FetchSource | undefined;
  /** Told that anything may have changed at a source: a run of it is due. */
  readonly onSourceChanged: (name: string) => void;
  readonly clock: Clock;
  readonly onError?: (error: unknown) => void;
}

const CHECKPOINT = "fetch-back";
/** Reads of one source at once. */
const AT_ONCE = 4;
const BATCH = 200;
const ABSENT_AGAIN_MS = 2000;

interface Wanted {
  readonly source: string;
  readonly type: string;
  readonly id: string;
}

/** Each resource of a batch once, whatever it was named for and how often. */
function wantedOf(events: readonly StoredEvent[]): { resources: Wanted[]; sources: Set<string> } {
  const resources = new Map<string, Wanted>();
  const sources = new Set<string>();
  for (const { stream, type: kind, data, payload } of events) {
    const source = stream.slice(FETCH_PREFIX.length);
    if (kind === "source-changed") sources.add(source);
    else if (payload !== undefined) {
      const { type } = data as { type: string };
      resources.set(`${source}\0${type}\0${payload}`, { source, type, id: payload });
    }
  }
  return { resources: [...resources.values()], sources };
}

/** Reads what notifications only named. */
class FetchBack {
  private readonly options: FetchBackOptions;
  private readonly reader: ChangeReader;

  constructor(options: FetchBackOptions) {
    this.options = options;
    this.reader = new ChangeReader(options.lake.definitions, { maxDepth: 64 });
  }

  async handle(events: readonly StoredEvent[]): Promise<void> {
    const { resources, sources } = wantedOf(events);
    for (const name of sources) this.options.onSourceChanged(name);
    const changes = await mapConcurrently(resources, AT_ONCE, (wanted) => this.read(wanted));
    const known = changes.flatMap((change) => change ?? []);
    if (known.length > 0) await journalPorts(this.options.lake, this.options.journal).accept(known);
  }

  /** The resource as its source has it now. Undefined when nothing is known of it on either side. */
  private async read({ source: name, type, id }: Wanted): Promise<NewChange | undefined> {
    const source = this.options.source(name);
    if (source === undefined) {
      // Somebody removed the source from the configuration: a run of it will tell, if it ever comes back.
      this.options.onSourceChanged(name);
      return undefined;
    }
    let found = await readResource({ http: source.http, type, id });
    const key = resourceKey(name, type, id);
    const order = await this.options.rows.knownOrder(type, key);
    if (found.kind === "absent" && order !== undefined) {
      // 404 may be a replica that lags; only twice the same answer counts.
      await source.http.clock.sleep(ABSENT_AGAIN_MS);
      found = await readResource({ http: source.http, type, id });
    }
    if (found.kind === "hidden") {
      // What we may not read any more is for a run to settle, which compares everything the source shows.
      this.options.onSourceChanged(name);
      return undefined;
    }
    if (found.kind === "absent" && order === undefined) return undefined;
    const context = await this.context(name, source);
    if (found.kind === "live") return this.reader.update(Buffer.from(found.text), context);
    const after = order?.slice(0, 32);
    return this.reader.delete({ type, id, ...(after === undefined ? {} : { after }) }, context);
  }

  private async context(source: string, { policy }: FetchSource): Promise<ChangeContext> {
    const { lake, clock } = this.options;
    return {
      source,
      policy,
      receivedAt: instantOfMs(clock.now().getTime()),
      sequence: (await lake.history.latest())?.landings[0] ?? 0,
    };
  }
}

/**
 * Reads resources that notifications named without showing them, and confirms deletes that came without a time: 410 is a delete, 404 one
 * only of a resource that is known here. What could not be read stays at the front of its stream and is tried again, so later ones wait.
 */
export function startFetchBack(options: FetchBackOptions): Subscription {
  const work = new FetchBack(options);
  return options.journal.subscribe({
    name: CHECKPOINT,
    streamPrefix: FETCH_PREFIX,
    batch: BATCH,
    handle: (events) => work.handle(events),
    onError: (error) =>
      options.onError?.(
        isLakeError(error)
          ? error
          : new LakeError("internal", "app/fetch-back", "A notified resource could not be read back.", {
              cause: error,
            }),
      ),
  });
}
