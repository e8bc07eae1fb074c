import { createHash } from "node:crypto";
import { LakeError } from "#kernel";
import { type Manifest, upgraded } from "./migrate.js";

/** The manifest layout this code writes. Readers refuse a greater one, because they could misread it. */
export const FORMAT_VERSION = 1;

/** One immutable data file. `sha256` is lowercase hex over the whole file. */
export interface FileRef {
  readonly key: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly rows: number;
}

/**
 * Files that were added together; no resource key stands twice within a layer.
 * A row counts only when no later layer of its table holds the same key.
 */
export interface TableLayer {
  readonly files: readonly FileRef[];
  readonly rows: number;
  /** 0 = base (first load or full compaction), 1 = one commit, 2 = several commits merged. */
  readonly level: 0 | 1 | 2;
  /** Identifies the column set of the files; equal ids can be read without reconciling schemas. */
  readonly shapeId: string;
}

/** All versions of one resource type. */
export interface TableState {
  /** Goes up with every commit that changes content (not by compaction): equal revisions hold equal rows. */
  readonly revision: number;
  /** Live resources, tombstones not counted. */
  readonly resourceCount: number;
  /** Every element path ever observed, as dotted JSON names; the catalog's schema is derived from it. */
  readonly observed: readonly string[];
  /** Oldest first. */
  readonly layers: readonly TableLayer[];
}

/** A column of a materialized view, as the compiler described it. */
export interface ViewColumnState {
  readonly name: string;
  readonly path: string;
  readonly fhirType: string | undefined;
  readonly sqlType: string;
  readonly collection: boolean;
  readonly description: string | undefined;
}

/** View rows added together. Rows of earlier layers whose key is among `replaces` no longer count. */
export interface ViewLayer {
  readonly files: readonly FileRef[];
  readonly rows: number;
  readonly level: 0 | 1 | 2;
  /** Parquet files whose `_lake_key` column lists the changed resources, also those that now yield no row. */
  readonly replaces: readonly FileRef[];
}

/** One materialized view. */
export interface ViewState {
  /** Of the ViewDefinition and the compiler; another hash means a rebuild. */
  readonly hash: string;
  /** Object key of the stored ViewDefinition, so that every process can maintain the view. */
  readonly definition: string;
  readonly resource: string;
  readonly title: string | undefined;
  readonly description: string | undefined;
  readonly columns: readonly ViewColumnState[];
  /**
   * `building`: the rows do not cover the snapshot's tables yet; `failed`: the data broke a rule of the view. Neither may be answered.
   */
  readonly state: "ready" | "building" | "failed";
  /** Why and at which revision of its table the view failed; it is tried again when the table or the definition changes. */
  readonly failure?: { readonly code: string; readonly message: string; readonly revision: number };
  readonly rowCount: number;
  /** Oldest first. */
  readonly layers: readonly ViewLayer[];
}

/**
 * What one commit did with its input. For NDJSON `lines = stored + superseded + unchanged + quarantined + blank`; with Bundles
 * `lines + entries = stored + superseded + unchanged + quarantined + blank + unpacked + skipped`.
 */
export interface IngestCounts {
  readonly lines: number;
  /** Entries of Bundles that were taken apart, how many such Bundles there were, and entries with nothing to store. */
  readonly entries: number;
  readonly unpacked: number;
  readonly skipped: number;
  readonly stored: number;
  readonly superseded: number;
  readonly unchanged: number;
  readonly quarantined: number;
  readonly blank: number;
  /** Versions of erased persons, not stored; they belong on the right side of the sums. Absent when there were none. */
  readonly refused?: number;
}

/** What the last comparison of a source with the lake found. Counts are of live resources; nothing in here names a resource. */
export interface CompletenessState {
  /** ISO instant of the comparison. */
  readonly checkedAt: string;
  /**
   * Per type: what the source has now, null when it cannot count, and the lake; `differs` when changes at the source since the lake was
   * brought up to date cannot explain that they are not the same.
   */
  readonly counts: Readonly<
    Record<string, { readonly source: number | null; readonly lake: number; readonly differs?: boolean }>
  >;
  /** Resources of the random sample that were compared, and how many of them were not the same on both sides. */
  readonly sampled: number;
  readonly sampleDifferences: number;
  /** Types whose counts differ plus differing resources of the sample: 0 means nothing was found missing. */
  readonly differences: number;
}

/** Tells a journal from others, and from itself set back: by its identity, and by an event that stands in it. */
export interface JournalMark {
  readonly journal: string;
  readonly position: number;
  /** Id of the event at the position; absent when none stood there any more. */
  readonly event?: string;
}

/** What the lake knows of one source. `policy` is fixed by the first commit; the rest is there once a run has pulled from a server. */
export interface SourceState {
  /** How the versions of the source are ordered. */
  readonly policy: "time" | "version";
  /** Per type the server's time up to which everything is in the lake, a FHIR instant as the server wrote it. */
  readonly watermarks?: Readonly<Record<string, string>>;
  /** Of the types, filters and address asked for: another one means that the watermarks say nothing any more. */
  readonly requestHash?: string;
  /** True when every delete up to the watermarks is known; false when the source cannot tell. */
  readonly deletesVerified?: boolean;
  /** Server time up to which deletes were last known completely. */
  readonly deletesVerifiedAt?: string;
  readonly completeness?: CompletenessState;
  /** The run that committed last, and its fencing number: a run with a smaller one has lost its lease and may not commit. */
  readonly run?: string;
  readonly fence?: number;
  /** Position in the journal up to which (inclusive) the source's changes are in the tables; nothing of it is when absent. */
  readonly journalPosition?: number;
  /** The journal that the position is of; absent in snapshots of early releases. */
  readonly journalMark?: JournalMark;
  /** Changes that count as covered but may not be in the tables; absent when there are none. */
  readonly loss?: SourceLoss;
}

/**
 * Changes of a source that had left the journal when the lake was set back to a state before them, as far as can be told: one that covers less than
 * the journal has lost. It stands until a run that began after it has asked the source for everything.
 */
export interface SourceLoss {
  /** A UUID: another one is another loss, which a run that began before does not make up for. */
  readonly id: string;
  /** Journal position up to which changes are missing. */
  readonly upTo: number;
}

/** News about a source that a commit brings. What is named replaces what was known, the watermarks as a whole. */
export type SourceStateChange = Omit<Partial<SourceState>, "policy"> & {
  /** `journalPosition` holds only where the source is covered up to here already: what the commit brings begins after it. */
  readonly journalAfter?: number;
  /** `watermarks` are those after these: they hold only while these stand. */
  readonly watermarksAfter?: Readonly<Record<string, string>>;
};

/** Which step made the snapshot. */
export type Operation =
  | {
      readonly kind: "ingest";
      readonly source: string;
      readonly landing: number;
      readonly counts: IngestCounts;
      readonly types: Readonly<Record<string, { stored: number; deleted: number }>>;
    }
  | { readonly kind: "source-state"; readonly source: string }
  | { readonly kind: "build-views"; readonly views: readonly string[] }
  | { readonly kind: "compact"; readonly tables: readonly string[]; readonly views: readonly string[] }
  | {
      readonly kind: "restore";
      /** The snapshot whose state was made the newest again. */
      readonly snapshot: number;
    }
  | {
      readonly kind: "erase";
      /** Id of the erasure record. */
      readonly erasure: string;
      /** Versions taken out, by resource type. */
      readonly removed: Readonly<Record<string, number>>;
    }
  | { readonly kind: "allow-return"; readonly erasure: string }
  | { readonly kind: "migrate"; readonly from: number }
  | { readonly kind: "adopt-journal" };

/** An immutable state of the whole lake: the only thing readers follow. */
export interface Snapshot {
  readonly formatVersion: number;
  readonly id: number;
  /** Unique per commit attempt, so that a writer can recognise its own snapshot after an unclear outcome. */
  readonly commitId: string;
  readonly parent: number | null;
  /** ISO instant; the as-of of every answer from this snapshot. */
  readonly committedAt: string;
  readonly tool: string;
  readonly fhirVersion: string;
  readonly operation: Operation;
  /** The latest acceptance time given out; the next landing's is later, whatever the clock says. */
  readonly acceptedAtMs: number;
  /** Landing sequences committed so far, newest first, at most {@link LANDINGS_KEPT}. */
  readonly landings: readonly number[];
  readonly sources: Readonly<Record<string, SourceState>>;
  readonly tables: Readonly<Record<string, TableState>>;
  readonly views: Readonly<Record<string, ViewState>>;
  /** Ids of the erasures whose persons are refused when a source sends them again; absent when there are none. */
  readonly erasures?: readonly string[];
}

/** What a commit changes; everything else is carried over from the parent. */
export interface SnapshotChange {
  /** True: sources, tables and views are all there shall be; those not named are dropped. */
  readonly whole?: boolean;
  readonly erasures?: readonly string[];
  readonly operation: Operation;
  readonly acceptedAtMs?: number;
  readonly landing?: number;
  readonly sources?: Readonly<Record<string, SourceState>>;
  readonly tables?: Readonly<Record<string, TableState>>;
  readonly views?: Readonly<Record<string, ViewState>>;
}

/** How many committed landing sequences a snapshot remembers. */
export const LANDINGS_KEPT = 1000;

const PREFIX = '{"sha256":"';
const MIDDLE = '","snapshot":';

/** The snapshot's object key: twelve digits, so that names sort like ids. */
export function snapshotKey(id: number): string {
  return `snapshots/${String(id).padStart(12, "0")}.json`;
}

/** The id in a snapshot's object key, or undefined for any other key. */
export function snapshotIdOf(key: string): number | undefined {
  const match = /^snapshots\/(\d{12})\.json$/.exec(key);
  return match === null ? undefined : Number(match[1]);
}

/** The snapshot as bytes, with a checksum over its own text in front. */
export function encodeSnapshot(snapshot: Snapshot): Uint8Array {
  const body = JSON.stringify(snapshot);
  const sha256 = createHash("sha256").update(body).digest("hex");
  return Buffer.from(`${PREFIX}${sha256}${MIDDLE}${body}}`);
}

/**
 * Reads what {@link encodeSnapshot} wrote.
 * Reads what earlier releases wrote, too. Fails with `lake/corrupt-snapshot` when any byte changed and `lake/newer-format` when a later
 * fhir-lake wrote it.
 */
export function decodeSnapshot(bytes: Uint8Array, key: string): Snapshot {
  const text = Buffer.from(bytes).toString("utf8");
  const sha256 = text.slice(PREFIX.length, PREFIX.length + 64);
  const body = text.slice(PREFIX.length + 64 + MIDDLE.length, -1);
  const framed = text === `${PREFIX}${sha256}${MIDDLE}${body}}`;
  if (!framed || createHash("sha256").update(body).digest("hex") !== sha256) {
    throw new LakeError(
      "corrupt-data",
      "lake/corrupt-snapshot",
      `The snapshot file '${key}' was damaged after it was written; restore it from a backup.`,
      { details: { key } },
    );
  }
  const manifest = upgraded(JSON.parse(body) as Manifest, key, FORMAT_VERSION);
  // The checksum says that these are the bytes of a manifest; the steps bring every format to this type.
  return manifest as unknown as Snapshot;
}

/** Every data file a snapshot needs, each once: table files, view rows and key lists. */
export function filesOf(snapshot: Snapshot): FileRef[] {
  const files = new Map<string, FileRef>();
  const add = (list: readonly FileRef[]): void => {
    for (const file of list) files.set(file.key, file);
  };
  for (const table of Object.values(snapshot.tables)) for (const layer of table.layers) add(layer.files);
  for (const view of Object.values(snapshot.views)) {
    for (const layer of view.layers) {
      add(layer.files);
      add(layer.replaces);
    }
  }
  return [...files.values()];
}
