/** How long the journal in Postgres may let anybody wait. What takes longer fails as `events/unavailable`, to be tried again. */
export interface PostgresLimits {
  /** Until a connection stands, or one of the pool is free. */
  readonly connectMs: number;
  /**
   * Between two statements of a transaction: the server ends one whose client has gone silent, and with it the append lock. Shorter than
   * `lockMs`, so that those who wait for a machine that lost power go on instead of giving up.
   */
  readonly silentMs: number;
  /** For a lock that another session holds. */
  readonly lockMs: number;
  /** For the answer to a statement. Longer than `lockMs`: a server that can still say why is let speak. */
  readonly answerMs: number;
  /** For a page of events, which is as large as their texts are and holds no lock. */
  readonly pageMs: number;
  /** For the vacuum behind an erasure, which reads the whole table of keys. */
  readonly vacuumMs: number;
  /** For taking leave of the server. */
  readonly closeMs: number;
}

/** Senders of notifications give up after 10 to 60 seconds; they are to be told before that to come again. */
export const POSTGRES_LIMITS: PostgresLimits = {
  connectMs: 10_000,
  silentMs: 5000,
  lockMs: 10_000,
  answerMs: 15_000,
  pageMs: 300_000,
  vacuumMs: 3_600_000,
  closeMs: 5000,
};

/** A connection on which nothing comes is probed after so long; it is lost when nobody answers for about ten seconds more. */
export const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelayMillis: 10_000 };
