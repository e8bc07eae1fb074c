import { createHash } from "node:crypto";

/** What can be done to the values of a column before a question sees them; see docs/security.md. */
export const columnRules = ["keep", "drop", "year", "shift", "zip3", "hash", "cap90"] as const;

/** One of these. */
export type ColumnRule = (typeof columnRules)[number];

/** A condition on the rows of a view, judged on what the lake holds: a value of the column as text is one of these, or begins with one. */
export type RowRule =
  | { readonly column: string; readonly in: readonly string[] }
  | { readonly column: string; readonly notIn: readonly string[] }
  | { readonly column: string; readonly startsWith: readonly string[] };

/** By name of a view, or `*` for every view that has the column: the rules of its columns. */
export type ColumnRules = Readonly<Record<string, Readonly<Record<string, ColumnRule>>>>;

/**
 * What of a lake somebody sees. Whatever is left out of it does not exist for them. An empty policy shows everything.
 */
export interface ViewPolicy {
  /** Names of the views that exist; all when absent. */
  readonly views?: readonly string[];
  /** Resource types whose views exist; all when absent. */
  readonly resources?: readonly string[];
  /** Every column is treated by its class of personal data, before the rules of single columns. */
  readonly deidentify?: boolean;
  /** A view's own rule goes before that of `*`. */
  readonly columns?: ColumnRules;
  /** All must hold, NULL never does. Under `*` they hold for every view; one that lacks the column does not exist. */
  readonly rows?: Readonly<Record<string, readonly RowRule[]>>;
  /** Secret text that hashes and shifts are made with: equal keys give equal pseudonyms. Needed by `hash`, `shift` and `deidentify`. */
  readonly key?: string;
  /** Dates of a person move back by 1 to so many days; 365 when absent. */
  readonly shiftDays?: number;
}

/** Days by which dates move at most when a policy does not say. */
export const SHIFT_DAYS = 365;

/** True for a policy that hides and changes nothing. */
export function isOpen({ views, resources, deidentify, columns, rows }: ViewPolicy): boolean {
  const none = (rules: object | undefined): boolean => Object.keys(rules ?? {}).length === 0;
  return views === undefined && resources === undefined && deidentify !== true && none(columns) && none(rows);
}

/** True for a policy that changes values, so that what names a person elsewhere in the lake may not be shown beside them. */
export function changesValues({ deidentify, columns }: ViewPolicy): boolean {
  const rules = Object.values(columns ?? {}).flatMap((one) => Object.values(one));
  return deidentify === true || rules.some((rule) => rule !== "keep");
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, inner]) => [name, sorted(inner)]);
}

/** A digest of everything that the policy decides, its key included; undefined for an open one. Equal digests show equal rows. */
export function policyDigest(policy: ViewPolicy | undefined): string | undefined {
  if (policy === undefined || isOpen(policy)) return undefined;
  return createHash("sha256")
    .update(JSON.stringify(sorted(policy)))
    .digest("base64url")
    .slice(0, 27);
}
