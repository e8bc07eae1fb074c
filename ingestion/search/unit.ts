import type { FetchedFile, FetchProblem } from "../source/fetched.js";
import type { Window } from "./window.js";

/** A piece of work that is fetched as a whole or resumed. `window` undefined: the type is crawled without a window. */
export type Unit =
  | {
      readonly kind: "search";
      readonly name: string;
      readonly type: string;
      readonly window: Window | undefined;
      /** Resources in it when it was planned, where the server counts. */
      readonly expected: number | undefined;
    }
  | {
      readonly kind: "history";
      readonly name: string;
      /** Undefined: the history of the whole system. */
      readonly type: string | undefined;
      readonly types: readonly string[];
      readonly sinceMs: number;
    };

/** What became of a unit. */
export interface UnitResult {
  readonly file: FetchedFile | undefined;
  /** Distinct resources, or entries of a history. */
  readonly seen: number;
  /** Newest meta.lastUpdated among them, in milliseconds. */
  readonly newestMs: number | undefined;
  readonly problems: readonly FetchProblem[];
  /** False: something was missed, the watermark of `types` must stay. */
  readonly complete: boolean;
  /** Of a history: whether the server gave one, so that deletes are among the entries. */
  readonly listsDeletes: boolean;
}
