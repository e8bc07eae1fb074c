/**
 * The server's own time. Stamps never go back, and after {@link ServerClock.mark} every later stamp is greater: what an export says
 * it holds up to its transactionTime it then really holds.
 */
export class ServerClock {
  #offsetMs = 0;
  #last = 0;
  readonly #source: () => number;

  constructor(source: () => number = Date.now) {
    this.#source = source;
  }

  /** Milliseconds since 1970 by this server. */
  now(): number {
    return Math.max(this.#source() + this.#offsetMs, this.#last);
  }

  /** The time of a write; equal to an earlier one when both happen in the same millisecond. */
  stamp(): number {
    this.#last = this.now();
    return this.#last;
  }

  /** The time of a query that must be sharp: all writes so far are not later, all writes to come are later. */
  mark(): number {
    const at = this.now();
    this.#last = at + 1;
    return at;
  }

  /** Moves the server's time on (or back, for what comes after the last stamp) against the machine's. */
  shift(milliseconds: number): void {
    this.#offsetMs += milliseconds;
  }
}

/** A FHIR instant in UTC with milliseconds. */
export function instant(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
