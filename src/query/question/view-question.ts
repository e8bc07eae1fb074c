import type { Condition } from "./condition.js";
import type { Position } from "./position.js";

/** A column of the answer, under another name if it has one. */
export interface SelectItem {
  readonly column: string;
  readonly as?: string;
}

/** A column to sort by. NULL comes last unless told otherwise, in either direction. */
export interface OrderItem {
  readonly column: string;
  readonly descending?: boolean;
  readonly nullsFirst?: boolean;
}

/** A question to one view of a snapshot. Names are checked against the view, values against the types of their columns. */
export interface ViewQuestion {
  readonly view: string;
  /** Columns in the order wanted; all of the view's own in its order when absent. */
  readonly select?: readonly (string | SelectItem)[];
  /** Joined by AND. */
  readonly filters?: readonly Condition[];
  /** By patient, where the view shows one, when absent. Rows alike by these leave by resource key and then by value, so that the order is always whole. */
  readonly order?: readonly OrderItem[];
  /** At most this many rows, 0 included; all rows when absent. */
  readonly limit?: number;
  /** Where to begin: a position that a page of the same question ended at. */
  readonly after?: Position;
  /** ISO day at which ages are taken; the day of the snapshot when absent. */
  readonly ageAt?: string;
}
