import { type Database, quoteIdentifier } from "#duckdb";
import type { SnapshotReader, SnapshotView } from "./catalog.js";

/** How much of a view is compared, and of which views. */
export interface ComparisonBounds {
  /** Names of views; those that are not ready in both states, or not of the same definition, are left out. */
  readonly views: readonly string[];
  /** Of a larger view a random slice of about so many rows is compared. */
  readonly mostRows: number;
  /** 0 to 1, exclusive: where slices begin. */
  readonly slice: number;
  readonly signal?: AbortSignal;
}

/** A view whose rows differ between two states. */
export interface ViewDifference {
  readonly view: string;
  /** Rows that only one of the states has, repeated rows as often as they stand. */
  readonly onlyBefore: number;
  readonly onlyAfter: number;
}

/** What comparing two states came to. */
export interface StateComparison {
  /** Views that were compared. */
  readonly compared: readonly string[];
  readonly differences: readonly ViewDifference[];
}

const SPACE = 2n ** 128n;

function uuid(value: bigint): string {
  const hex = value.toString(16).padStart(32, "0");
  return `'${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}'::UUID`;
}

/** A condition that takes about `share` of all resources, from `slice` on; keys are hashes, so any stretch of them is a random sample. */
function sliceCondition(share: number, slice: number): string {
  if (share >= 1) return "true";
  const parts = 1_000_000;
  const width = BigInt(Math.max(1, Math.floor(share * parts)));
  const first = BigInt(Math.floor(slice * (parts - Number(width))));
  const unit = SPACE / BigInt(parts);
  return `_lake_key >= ${uuid(first * unit)} AND _lake_key < ${uuid((first + width) * unit)}`;
}

async function differences(
  database: Database,
  before: SnapshotView,
  after: SnapshotView,
  bounds: ComparisonBounds,
): Promise<ViewDifference | undefined> {
  const share = bounds.mostRows / Math.max(1, before.rowCount ?? 0, after.rowCount ?? 0);
  const where = sliceCondition(share, bounds.slice);
  const columns = ["_lake_key", ...after.columns.map((column) => quoteIdentifier(column.name))].join(", ");
  const rows = async (view: SnapshotView): Promise<string> =>
    `SELECT ${columns} FROM ${await view.relation()} AS _view WHERE ${where}`;
  const [left, right] = [await rows(before), await rows(after)];
  const options = bounds.signal === undefined ? {} : { signal: bounds.signal };
  return database.with(async (connection) => {
    // A sum of hashes needs no memory; rows are looked at only when it says that something is wrong.
    const digest = (select: string): string =>
      `(SELECT count(*)::VARCHAR || ' ' || coalesce(sum(hash(r)::HUGEINT), 0)::VARCHAR FROM (${select}) AS r)`;
    const [digests] = await connection.rows<{ a: string; b: string }>(
      `SELECT ${digest(left)} AS a, ${digest(right)} AS b`,
      [],
      options,
    );
    if (digests!.a === digests!.b) return undefined;
    const [counts] = await connection.rows<{ a: string; b: string }>(
      `SELECT (SELECT count(*) FROM (${left} EXCEPT ALL ${right})) AS a, (SELECT count(*) FROM (${right} EXCEPT ALL ${left})) AS b`,
      [],
      options,
    );
    return { view: after.name, onlyBefore: Number(counts!.a), onlyAfter: Number(counts!.b) };
  });
}

/** Compares the rows of views in two states as bags. Costs one pass over what is compared in each. */
export async function compareStates(
  database: Database,
  states: { readonly before: SnapshotReader; readonly after: SnapshotReader },
  bounds: ComparisonBounds,
): Promise<StateComparison> {
  const compared: string[] = [];
  const found: ViewDifference[] = [];
  for (const name of bounds.views) {
    const before = states.before.views.get(name);
    const after = states.after.views.get(name);
    if (before?.state !== "ready" || after?.state !== "ready" || before.hash !== after.hash) continue;
    const difference = await differences(database, before, after, bounds);
    compared.push(name);
    if (difference !== undefined) found.push(difference);
  }
  return { compared, differences: found };
}
