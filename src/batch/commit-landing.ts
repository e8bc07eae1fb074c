import path from "node:path";
import type { Connection } from "#duckdb";
import { mapConcurrently } from "#kernel";
import {
  type AddedLayer,
  addVersions,
  changedSource,
  FileWriter,
  type IngestCounts,
  type Lake,
  type LandedType,
  requireLakeSpace,
  type Snapshot,
  type SnapshotChange,
  type SourceState,
  type SourceStateChange,
  type TableLayer,
  type TableState,
  type ViewLayer,
  type ViewState,
  withLayer,
} from "#lake";
import type { LandingManifest } from "#landing";
import { otherOrder } from "./errors.js";
import { compiledOf, type RegisteredView, unbuilt } from "./view-registry.js";
import { deltaLayer, failedView, withDelta } from "./view-rows.js";

/** What became of a landing. `snapshot` is undefined when it held nothing new. */
export interface LandingOutcome {
  readonly snapshot: Snapshot | undefined;
  readonly counts: IngestCounts;
  /** Per resource type. */
  readonly types: Readonly<
    Record<string, { stored: number; deleted: number; superseded: number; unchanged: number }>
  >;
}

/** Where a landing's files are and what a first commit registers. */
export interface CommitLandingOptions {
  readonly landingDir: string;
  readonly manifest: LandingManifest;
  /** Views that a lake without snapshots starts with (`building` until built). */
  readonly views: ReadonlyMap<string, RegisteredView>;
  /** News about the source; they make a snapshot of their own accord, also when nothing was stored. */
  readonly sourceState?: SourceStateChange;
  readonly onProgress?: (what: string) => void;
}

function landedTypes({ landingDir, manifest }: CommitLandingOptions): LandedType[] {
  const types = [...new Set(manifest.files.map((file) => file.type))].sort();
  return types.map((type) => ({
    type,
    source: manifest.source,
    acceptedAtMs: Date.parse(manifest.acceptedAt),
    observed: manifest.observed[type] ?? [],
    files: manifest.files
      .filter((file) => file.type === type)
      .map((file) => ({
        path: path.join(landingDir, file.path),
        rows: file.rows,
        maxRecordBytes: file.maxRecordBytes,
      })),
  }));
}

/**
 * The source after this landing, and whether that is news. Fails when the source's versions were ordered by another rule before:
 * mixed keys would not compare.
 */
function sourceState(
  head: Snapshot | undefined,
  { manifest, sourceState: change }: CommitLandingOptions,
): { readonly state: SourceState; readonly news: boolean } {
  const known = head?.sources[manifest.source];
  if (known !== undefined && known.policy !== manifest.policy) {
    throw otherOrder(manifest.source, known.policy, manifest.policy);
  }
  const state =
    change === undefined ? undefined : changedSource(known, manifest.source, manifest.policy, change);
  return { state: state ?? known ?? { policy: manifest.policy }, news: state !== undefined };
}

/** Tables and view rows of a landing, as a share of its bytes: text and typed columns packed together. */
const STORED_SHARE = 0.6;

/** Below this many landing bytes types and views are worked on side by side: planning then costs more than scanning. */
const SMALL_LANDING_BYTES = 32 * 2 ** 20;
const SIDE_BY_SIDE = 3;

/** One attempt's worth of work that later attempts may reuse. */
class LandingCommit {
  private readonly lake: Lake;
  private readonly writer: FileWriter;
  private readonly options: CommitLandingOptions;
  private readonly limit: number;
  private readonly layers = new Map<string, AddedLayer>();
  /** Finished view rows by view name; they hold as long as the view's hash and the table's new layer are the same. */
  private readonly deltas = new Map<string, { hash: string; layer: TableLayer; delta: ViewLayer }>();

  constructor(lake: Lake, writer: FileWriter, options: CommitLandingOptions) {
    this.lake = lake;
    this.writer = writer;
    this.options = options;
    const bytes = options.manifest.files.reduce((sum, file) => sum + file.sizeBytes, 0);
    this.limit = bytes <= SMALL_LANDING_BYTES ? SIDE_BY_SIDE : 1;
  }

  async prepare(head: Snapshot | undefined): Promise<SnapshotChange | undefined> {
    const { manifest } = this.options;
    if (head?.landings.includes(manifest.sequence) === true) return undefined;
    const source = sourceState(head, this.options);
    const landed = landedTypes(this.options);
    await mapConcurrently(landed, this.limit, (type) => this.addType(type, head));
    const tables: Record<string, TableState> = {};
    for (const { type } of landed) {
      const added = this.layers.get(type)!;
      if (added.layer !== undefined) tables[type] = withLayer(head?.tables[type], added);
    }
    if (Object.keys(tables).length === 0 && !source.news) return undefined;
    const views = head === undefined ? await this.firstViews() : await this.refreshViews(head, tables);
    return {
      operation: { kind: "ingest", source: manifest.source, landing: manifest.sequence, ...this.outcome() },
      acceptedAtMs: Date.parse(manifest.acceptedAt),
      landing: manifest.sequence,
      sources: { [manifest.source]: source.state },
      tables,
      views,
    };
  }

  private async addType(landed: LandedType, head: Snapshot | undefined): Promise<void> {
    this.options.onProgress?.(landed.type);
    const earlier = this.layers.get(landed.type);
    const added = await this.lake.database.with((connection) =>
      addVersions(this.lake, connection, this.writer, landed, head, earlier),
    );
    this.layers.set(landed.type, added);
  }

  outcome(): Omit<LandingOutcome, "snapshot"> {
    const { counts } = this.options.manifest;
    const types: Record<string, { stored: number; deleted: number; superseded: number; unchanged: number }> =
      {};
    const sum = { stored: 0, superseded: 0, unchanged: 0 };
    let refused = 0;
    for (const [type, { classification: c, refused: erased }] of [...this.layers].sort(([a], [b]) =>
      a < b ? -1 : 1,
    )) {
      types[type] = {
        stored: c.stored,
        deleted: c.deleted,
        superseded: c.superseded,
        unchanged: c.unchanged,
      };
      sum.stored += c.stored;
      sum.superseded += c.superseded;
      sum.unchanged += c.unchanged;
      refused += erased;
    }
    const { lines, entries, unpacked, skipped, blank, quarantined } = counts;
    const left = refused === 0 ? {} : { refused };
    return { counts: { lines, entries, unpacked, skipped, blank, quarantined, ...sum, ...left }, types };
  }

  private async firstViews(): Promise<Record<string, ViewState>> {
    const states: Record<string, ViewState> = {};
    for (const [name, view] of this.options.views) states[name] = await unbuilt(this.lake, view);
    return states;
  }

  /** The ready views over changed tables, with the new rows. */
  private async refreshViews(
    head: Snapshot,
    tables: Readonly<Record<string, TableState>>,
  ): Promise<Record<string, ViewState>> {
    const touched = Object.entries(head.views).filter(
      ([, view]) => view.state === "ready" && tables[view.resource] !== undefined,
    );
    const refreshed = await mapConcurrently(touched, this.limit, async ([name, before]) => {
      const state = await this.lake.database.with((connection) =>
        this.refresh(connection, name, before, tables),
      );
      return [name, state] as const;
    });
    return Object.fromEntries(refreshed);
  }

  private async refresh(
    connection: Connection,
    name: string,
    before: ViewState,
    tables: Readonly<Record<string, TableState>>,
  ): Promise<ViewState> {
    const { layer, observed } = this.layers.get(before.resource)!;
    try {
      const delta = await this.deltaOf(connection, name, before, layer!, observed);
      return await withDelta(this.lake, connection, before, delta);
    } catch (error) {
      return failedView(before, error, tables[before.resource]!.revision);
    }
  }

  private async deltaOf(
    connection: Connection,
    name: string,
    view: ViewState,
    layer: TableLayer,
    observed: readonly string[],
  ): Promise<ViewLayer> {
    const known = this.deltas.get(name);
    if (known !== undefined && known.hash === view.hash && known.layer === layer) return known.delta;
    const compiled = await compiledOf(this.lake, view);
    const delta = await deltaLayer(this.lake, connection, this.writer, name, view, compiled, layer, observed);
    this.deltas.set(name, { hash: view.hash, layer, delta });
    return delta;
  }
}

/**
 * Folds a complete landing into the lake and commits it as one snapshot, materialized views included: those that are `ready` are
 * refreshed with the changed resources only. Safe against concurrent writers and against being run again for the same landing.
 */
export async function commitLanding(lake: Lake, options: CommitLandingOptions): Promise<LandingOutcome> {
  const bytes = options.manifest.files.reduce((sum, file) => sum + file.sizeBytes, 0);
  await requireLakeSpace(lake, bytes * STORED_SHARE, "this commit");
  let outcome: Omit<LandingOutcome, "snapshot"> | undefined;
  const snapshot = await FileWriter.during(lake, async (writer) => {
    const work = new LandingCommit(lake, writer, options);
    const made = await writer.commit((head) => work.prepare(head));
    outcome = work.outcome();
    return made;
  });
  return { snapshot, ...outcome! };
}
