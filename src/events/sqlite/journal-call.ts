import type { SqliteJournal } from "./sqlite-journal.js";

/** The methods that the journal's thread can be asked for. */
export type JournalMethod = Exclude<keyof SqliteJournal, "close">;

/** A call to the journal's thread; `close` ends it. */
export type JournalCall =
  | { readonly call: number; readonly method: JournalMethod; readonly args: readonly unknown[] }
  | { readonly call: number; readonly method: "close"; readonly args: readonly [] };

/** An error as it crosses threads: class instances do not. */
export interface SentError {
  readonly message: string;
  readonly lake?: {
    readonly kind: string;
    readonly code: string;
    readonly details: Readonly<Record<string, unknown>>;
  };
}

/** The thread's answer to one call; call 0 answers the opening. */
export type JournalReply =
  | { readonly call: number; readonly value: unknown }
  | { readonly call: number; readonly error: SentError };
