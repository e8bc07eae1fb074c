import fc from "fast-check";
import type { Fault } from "./faulty-store.js";
import type { Version } from "./model.js";
import type { RedisEvent } from "./redis.js";

/** A version before it has a clock of its own. */
export interface Draft {
  readonly type: Version["type"];
  readonly id: string;
  readonly kind: Version["kind"];
  /** 0: newer than everything so far; otherwise that many ticks before the newest, where still free. */
  readonly late: number;
  /** Sends a version again that was sent before, when there is one: the how manieth from the end. */
  readonly again: number;
  readonly active: boolean;
  readonly parts: readonly string[];
  readonly value: string;
}

/** One thing that happens to the system. */
export type Command =
  | { readonly do: "notify"; readonly drafts: readonly Draft[] }
  | { readonly do: "batch"; readonly drafts: readonly Draft[] }
  | { readonly do: "flush" }
  | { readonly do: "compact" }
  | { readonly do: "restart" }
  | { readonly do: "pin" }
  | { readonly do: "unpin" }
  | { readonly do: "vacuum" }
  | { readonly do: "skew"; readonly minutes: number }
  | { readonly do: "change-view" }
  | { readonly do: "trim" }
  /** The lake goes back to the snapshot that was the newest so many snapshots that were looked at before. */
  | { readonly do: "restore"; readonly back: number }
  | { readonly do: "race"; readonly drafts: readonly Draft[]; readonly notified: readonly Draft[] }
  /** Work in which a write goes wrong. */
  | {
      readonly do: "fault";
      readonly during: "batch" | "flush" | "compact" | "vacuum" | "change-view" | "trim" | "race";
      /** How many writes go well before. */
      readonly after: number;
      readonly fault: Fault;
      /** What a batch or a race brings. */
      readonly drafts: readonly Draft[];
      readonly notified: readonly Draft[];
      /** Does the same again afterwards, as whoever runs it would. */
      readonly again: boolean;
    }
  /** Something happens to Redis; nothing where there is none. */
  | { readonly do: "redis"; readonly event: RedisEvent }
  /** The process dies as soon as these are acknowledged, whatever it was about to do with them. */
  | { readonly do: "die"; readonly drafts: readonly Draft[] };

const draft: fc.Arbitrary<Draft> = fc.record({
  type: fc.constantFrom("Patient", "Observation"),
  id: fc.constantFrom("a", "b", "c", "d"),
  kind: fc.constantFrom("U", "U", "U", "D"),
  late: fc.oneof(
    { weight: 3, arbitrary: fc.constant(0) },
    { weight: 2, arbitrary: fc.integer({ min: 1, max: 12 }) },
  ),
  again: fc.oneof(
    { weight: 8, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 6 }) },
  ),
  active: fc.boolean(),
  parts: fc.array(fc.constantFrom("x", "y", "z"), { maxLength: 3 }),
  value: fc.constantFrom("1.0", "1.10", "-0.000", "12345678901234567890.5"),
});

const drafts = (most: number): fc.Arbitrary<Draft[]> => fc.array(draft, { minLength: 1, maxLength: most });

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ do: fc.constant("notify" as const), drafts: drafts(4) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("batch" as const), drafts: drafts(4) }) },
  { weight: 3, arbitrary: fc.constant({ do: "flush" as const }) },
  { weight: 1, arbitrary: fc.constant({ do: "compact" as const }) },
  { weight: 1, arbitrary: fc.constant({ do: "restart" as const }) },
  { weight: 2, arbitrary: fc.constant({ do: "pin" as const }) },
  { weight: 1, arbitrary: fc.constant({ do: "unpin" as const }) },
  { weight: 1, arbitrary: fc.constant({ do: "vacuum" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("skew" as const),
      minutes: fc.integer({ min: -1440, max: 1440 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: "change-view" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("race" as const), drafts: drafts(3), notified: drafts(3) }),
  },
  { weight: 2, arbitrary: fc.constant({ do: "trim" as const }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("restore" as const), back: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("die" as const), drafts: drafts(3) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("fault" as const),
      during: fc.constantFrom("batch", "flush", "compact", "vacuum", "change-view", "trim", "race"),
      after: fc.integer({ min: 0, max: 14 }),
      fault: fc.constantFrom("crash-before", "crash-after", "fail", "unknown"),
      drafts: drafts(3),
      notified: drafts(3),
      again: fc.boolean(),
    }),
  },
);

const redisCommand: fc.Arbitrary<Command> = fc.record({
  do: fc.constant("redis" as const),
  event: fc.constantFrom("flush", "kill", "restart", "keep-dump", "old-dump", "pause"),
});

/**
 * A command, and which views are read and compared after it. What is not read leaves work undone that reading would have done, so that much comes
 * together before the next read.
 */
export type Step = Command & { readonly look: "everything" | Version["type"] | "nothing" };

/** Histories of the system: what happens, in order. With Redis, things happen to that too. */
export function histories(longest: number, { redis = false } = {}): fc.Arbitrary<Step[]> {
  const any = redis
    ? fc.oneof({ weight: 3, arbitrary: command }, { weight: 1, arbitrary: redisCommand })
    : command;
  const look = fc.oneof(
    { weight: 4, arbitrary: fc.constant("everything" as const) },
    { weight: 2, arbitrary: fc.constant("nothing" as const) },
    { weight: 1, arbitrary: fc.constantFrom("Patient" as const, "Observation" as const) },
  );
  const step = fc.tuple(any, look).map(([does, seen]): Step => ({ ...does, look: seen }));
  return fc.array(step, { minLength: 1, maxLength: longest, size: "max" });
}
