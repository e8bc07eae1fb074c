/**
 * What the query layer asks of a lake: pinned, immutable snapshots whose views are SQL relations.
 * The lake implements these interfaces; a test may implement them over a folder of Parquet files.
 */
import type { ViewColumn } from "#compiler";
import type { SourceState } from "#lake";

export type { ViewColumn };

/**
 * Values of a text column between which the wanted rows lie, ends included, in the order of their bytes. An end that is absent is open; NULL lies
 * in no range.
 */
export interface KeyRange {
  readonly column: string;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** A view as one snapshot holds it. */
export interface SnapshotView {
  readonly name: string;
  /** Of the ViewDefinition and the compiler; absent where rows cannot be merged with live ones. */
  readonly hash?: string;
  readonly columns: readonly ViewColumn[];
  /**
   * A parenthesised SELECT, to stand after FROM, that yields `_lake_key` and then the columns. Trusted SQL text, good until the snapshot
   * is released. Asking for it brings the view's files to this machine where they are not here yet. With a range, rows that lie outside may be
   * missing: whoever names one sets the condition as well.
   */
  relation(range?: KeyRange): Promise<string>;
  /**
   * The rows of the snapshot alone, where {@link relation} leaves out those of resources that changed since and adds what they have now: most of them
   * still count, and they are cheaper to look through. Absent where nothing changed.
   */
  stored?(range?: KeyRange): Promise<string>;
  /**
   * A value of the column that rows are sorted by, up to which about so many rows lie that come after `from`, or counted from the first; undefined
   * where it is not known. A guess: there may be more, and fewer where changes have taken rows away.
   */
  reach?(from: string | undefined, rows: number): string | undefined;
  /**
   * The same rows as {@link relation} for another engine: read from files alone, those of live rows written into a folder of the caller's.
   * Absent where `relation` reads files alone anyway.
   */
  sealed?(folder: string, options?: { readonly signal?: AbortSignal }): Promise<string>;
  /**
   * `building` when the snapshot does not hold the rows of this view yet: reading it is refused with a retry hint.
   * `failed` when data broke a rule of the view: reading it is refused with the reason.
   */
  readonly state: "ready" | "building" | "failed";
  /** The ViewDefinition that the rows come from; absent where there is none. */
  definition?(): Promise<Readonly<Record<string, unknown>>>;
  /** Why a `failed` view has no rows. */
  readonly failure?: { readonly code: string; readonly message: string };
  /** Rows that the snapshot holds of it; undefined where a policy leaves out some, so that only counting tells. */
  readonly rowCount: number | undefined;
  /** The FHIR resource type the view selects from. */
  readonly resource: string;
  /** Epoch of the last change since the snapshot to a resource that the view reads; absent when there was none. */
  readonly changedAt?: number;
  /** Of the rows, where they do not come from the snapshot: another revision means other rows. */
  readonly revision?: string;
  readonly description?: string;
}

/** How the newest state is to be read. */
export interface ReadConsistency {
  /** `merged` (the default): with every change since the snapshot that the speed layer has; `batch`: the newest snapshot alone. */
  readonly consistency?: "merged" | "batch";
  /** Waits until changes up to this epoch are in the answer: read your own writes. */
  readonly minEpoch?: number;
}

/** What a list of snapshots shows of each. */
export interface SnapshotSummary {
  readonly id: number;
  /** ISO 8601 instant in UTC at which the snapshot was committed: the as-of of every answer from it. */
  readonly committedAt: string;
  /** False when some source could not tell about all deletes up to the snapshot; absent otherwise. */
  readonly deletesVerified?: false;
}

/** What was known of acknowledged changes when a state was opened. */
export interface LiveKnowledge {
  /** Milliseconds since 1970: every change that was acknowledged by then is in the state. */
  readonly currentAt: number;
  /** Why live changes cannot be followed; undefined when all is well. */
  readonly degraded: string | undefined;
}

/** Which state of the lake answers come from, and what is known of its freshness. */
export interface ReadState extends SnapshotSummary {
  /** Journal position up to which changes since the snapshot are in the answer; absent when only the snapshot is read. */
  readonly epoch?: number;
  /** What the snapshot knows of each source: watermarks, deletes, completeness. */
  readonly sources?: Readonly<Record<string, SourceState>>;
  /** Absent where no journal is followed. */
  readonly live?: LiveKnowledge;
  /** True when the snapshot was asked for by number. */
  readonly pinned?: true;
  /** Digest of the policy that it is read under; absent where everything is shown. Answers under different policies differ. */
  readonly policy?: string;
  /** True when the policy changes values: what names persons elsewhere in the lake may then not be shown. */
  readonly pseudonymous?: true;
}

/** A snapshot held open for reading: its files stay until `release` is called. */
export interface SnapshotReader extends ReadState {
  readonly views: ReadonlyMap<string, SnapshotView>;
  /** Gives the snapshot back; calling it again does nothing. */
  release(): void;
}

/** The snapshots of one lake. */
export interface LakeCatalog {
  /**
   * The newest snapshot, with the changes since where there is a speed layer; undefined while the lake has none.
   * Fails with `query/no-live-changes` when `minEpoch` is asked of a lake without a speed layer, `query/epoch-not-reached` when it takes too long.
   */
  latest(options?: ReadConsistency): Promise<SnapshotReader | undefined>;
  /** The snapshot of that number. Fails with kind `not-found` when it never existed or is no longer kept. */
  at(id: number): Promise<SnapshotReader>;
  /** The readable snapshots, newest first. */
  snapshots(): Promise<readonly SnapshotSummary[]>;
  /** Digest of the policy that readers are opened under just now; undefined, or absent, where everything is shown. */
  policy?(): string | undefined;
}
