import type { Connection } from "#duckdb";
import { EventStore, type StoredEvent, type SubscriptionOptions } from "#events";
import type { Lake, Snapshot } from "#lake";
import type { Change } from "#landing";
import { History } from "../../src/lake/history.js";
import { Holds } from "../../src/speed/hold.js";
import { LakeOrders } from "../../src/speed/lake-orders.js";
import { LiveIndex, type LiveVersion } from "../../src/speed/live-index.js";
import { LiveLake } from "../../src/speed/live-lake.js";
import { LiveType } from "../../src/speed/live-type.js";
import { LiveTypes } from "../../src/speed/live-types.js";
import type { Mutex } from "../../src/speed/mutex.js";
import type { ReadPoint } from "../../src/speed/read-point.js";

/** A mistake that an implementation might have, put in while `install`ed; the answer takes it out again. */
export interface SeededBug {
  readonly name: string;
  /** The most steps of a history that is to find it, where it takes more than usual in one order. */
  readonly longest?: number;
  readonly install: () => () => void;
}

type Method = (this: unknown, ...args: never[]) => unknown;

/** Replaces a method of a class, however private it is. */
function replace(
  owner: { prototype: object },
  method: string,
  make: (original: Method) => Method,
): () => void {
  const prototype = owner.prototype as Record<string, Method>;
  const original = prototype[method];
  if (original === undefined) throw new Error(`There is no method '${method}' to break.`);
  prototype[method] = make(original);
  return () => {
    prototype[method] = original;
  };
}

/** Changes the SQL that a method answers. */
function rewrite(owner: { prototype: object }, method: string, from: RegExp, to: string): () => void {
  return replace(
    owner,
    method,
    (original) =>
      function (this: unknown, ...args: never[]) {
        const text = original.apply(this, args) as string;
        const changed = text.replace(from, to);
        if (changed === text) throw new Error(`The SQL of '${method}' has no ${from} to break.`);
        return changed;
      },
  );
}

const nothing = (): Method => async () => {
  // The work that was to be done here is not.
};

/** How many events a flush asks for at once; live rows ask for more. */
const FLUSH_PAGE = 1000;

/** And how many one asks for that looks whether a source has changes that a trim would take. */
const TRIM_PAGE = 100;

/** Mistakes that an implementation might have, each of which the comparison with a recompute must find. */
export const SEEDED_BUGS: readonly SeededBug[] = [
  {
    name: "what arrives last wins among live versions",
    install: () =>
      replace(
        LiveIndex,
        "fold",
        () =>
          function (this: unknown, changes: never) {
            const newest = (this as { newest: Map<string, LiveVersion> }).newest;
            const current: Change[] = [];
            const replaced: { position: number; by: number }[] = [];
            const news = new Map<string, Change>();
            for (const change of changes as Iterable<Change>) {
              const known = news.get(change.key) ?? newest.get(change.key);
              if (known !== undefined) replaced.push({ position: known.position, by: change.position });
              news.set(change.key, change);
              current.push(change);
            }
            return { current, replaced };
          },
      ),
  },
  {
    name: "live versions always beat the lake",
    install: () => replace(LakeOrders, "withoutBeaten", () => async (versions: never) => versions),
  },
  {
    name: "a new snapshot hides no live version",
    install: () => replace(LiveTypes, "hide", nothing),
  },
  {
    name: "a new snapshot clears all live versions",
    install: () =>
      replace(
        LiveType,
        "hide",
        (original) =>
          function (this: unknown, snapshot: never) {
            const everything = new Map([["main", Number.MAX_SAFE_INTEGER]]);
            return original.call(this, snapshot, everything as never, [] as never);
          },
      ),
  },
  {
    name: "rows are added without removing those they replace",
    install: () =>
      replace(
        LiveLake,
        "overlay",
        (original) =>
          async function (this: unknown, ...args: never[]) {
            const overlay = (await original.apply(this, args)) as { keys: string; rows: string } | undefined;
            return overlay === undefined
              ? undefined
              : { ...overlay, keys: `SELECT * FROM (${overlay.keys}) WHERE false` };
          },
      ),
  },
  {
    name: "a read does not wait for what was taken last",
    install: () => replace(LiveTypes, "settle", nothing),
  },
  {
    name: "replaced live versions still count",
    install: () => rewrite(LiveType, "visible", /AND _to > \d+ /, ""),
  },
  {
    name: "versions count from the snapshot on that they are hidden from",
    install: () => rewrite(LiveType, "visible", /_until > (\d+)/, "_until >= $1"),
  },
  {
    name: "readers see what came after their point",
    install: () => rewrite(LiveType, "visible", /_from <= \d+ AND _to > \d+/, "_to = 9007199254740991"),
  },
  {
    name: "what a pinned reader needs is freed",
    install: () =>
      replace(
        Holds,
        "oldest",
        (original) =>
          function (this: unknown, current: never) {
            // Views of older snapshots stay: a reader would be told that one is gone.
            const { snapshot } = original.call(this, current) as ReadPoint;
            return { ...(current as ReadPoint), snapshot };
          },
      ),
  },
  {
    name: "tombstones are dropped",
    install: () =>
      replace(
        LiveLake,
        "apply",
        (original) =>
          function (this: unknown, changes: never) {
            return original.call(this, (changes as Change[]).filter(({ kind }) => kind === "U") as never);
          },
      ),
  },
  {
    name: "a changed view gets no rows of earlier live versions",
    install: () => replace(LiveType, "backfill", nothing),
  },
  {
    name: "one live version of a batch gets no rows",
    install: () =>
      replace(
        LiveType,
        "fill",
        (original) =>
          async function (this: unknown, changes: never) {
            await original.call(this, changes);
            const { incoming, connection } = this as { incoming: string; connection: Connection };
            const last = (changes as Change[]).at(-1)?.position;
            if (last === undefined) return;
            // No view makes rows of a delete; the version itself counts as before.
            await connection.run(`UPDATE ${incoming} SET deleted = true WHERE _from = ${last}`);
          },
      ),
  },
  {
    name: "an append is acknowledged before it stands",
    install: () =>
      replace(EventStore, "append", (original) => {
        let count = 0;
        return async function (this: unknown, request: never) {
          const store = this as EventStore;
          if (++count % 5 !== 0) return original.call(this, request);
          return { position: await store.head(), version: 1, repeated: false };
        };
      }),
  },
  {
    name: "a restart begins to read the journal one event late",
    install: () =>
      replace(
        EventStore,
        "subscribe",
        (original) =>
          function (this: unknown, options: never) {
            const { handle, ...rest } = options as Pick<SubscriptionOptions, "handle">;
            let first: number | undefined;
            const late = async (events: readonly StoredEvent[]): Promise<void> => {
              first ??= events[0]!.position;
              const others = events.filter(({ position }) => position > first!);
              if (others.length > 0) await handle(others);
            };
            return original.call(this, { ...rest, handle: late } as never);
          },
      ),
  },
  {
    name: "a snapshot says that it covers one change more than it holds",
    install: () =>
      replace(
        EventStore,
        "readAll",
        (original) =>
          async function (this: unknown, ...args: never[]) {
            const events = (await original.apply(this, args)) as unknown[];
            return (args as unknown[])[1] === FLUSH_PAGE ? events.slice(0, -1) : events;
          },
      ),
  },
  {
    name: "a commit that came too late counts as done",
    install: () =>
      replace(
        History,
        "append",
        (original) =>
          async function (this: unknown, snapshot: never) {
            await original.call(this, snapshot);
            return true;
          },
      ),
  },
  {
    name: "a lake that was set back is taken for one with any other new snapshot",
    install: () =>
      replace(
        LiveLake,
        "beginAnew",
        () =>
          async function (this: unknown) {
            const live = this as {
              options: { lake: Lake };
              mutex: Mutex;
              adoptNow(head: Snapshot): Promise<void>;
            };
            const head = await live.options.lake.head();
            await live.mutex.run(() => live.adoptNow(head));
          },
      ),
  },
  {
    name: "a trim trusts what was covered before the lake was set back",
    longest: 40,
    install: () =>
      replace(
        EventStore,
        "readAll",
        (original) =>
          async function (this: unknown, ...args: never[]) {
            return (args as unknown[])[1] === TRIM_PAGE ? [] : original.apply(this, args);
          },
      ),
  },
];
