import path from "node:path";
import type { CompiledView } from "#compiler";
import type { Connection } from "#duckdb";
import { LakeError } from "#kernel";
import {
  type AddedLayer,
  addVersions,
  commit,
  FileWriter,
  type IngestCounts,
  type Lake,
  type LandedType,
  type Snapshot,
  type SnapshotChange,
  type SourceState,
  type TableLayer,
  type TableState,
  type ViewLayer,
  type ViewState,
  withLayer,
} from "#lake";
import type { LandingManifest } from "#landing";
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

/** Fails when the source's versions were ordered by another rule before: mixed keys would not compare. */
function sourceState(head: Snapshot | undefined, manifest: LandingManifest): SourceState {
  const known = head?.sources[manifest.source];
  if (known !== undefined && known.policy !== manifest.policy) {
    throw new LakeError(
      "conflict",
      "batch/order-policy",
      `Versions of the source '${manifest.source}' are ordered by ${known.policy}, not by ${manifest.policy}; ingest with --order ${known.policy} or under another --source name.`,
    );
  }
  return { policy: manifest.policy };
}

/** One attempt's worth of work that later attempts may reuse. */
class LandingCommit {
  private readonly lake: Lake;
  private readonly connection: Connection;
  private readonly writer: FileWriter;
  private readonly options: CommitLandingOptions;
  private readonly layers = new Map<string, AddedLayer>();
  /** Finished view rows by view name; they hold as long as the view's hash and the table's new layer are the same. */
  private readonly deltas = new Map<string, { hash: string; layer: TableLayer; delta: ViewLayer }>();
  private readonly compiled = new Map<string, CompiledView>();

  constructor(lake: Lake, connection: Connection, writer: FileWriter, options: CommitLandingOptions) {
    this.lake = lake;
    this.connection = connection;
    this.writer = writer;
    this.options = options;
  }

  async prepare(head: Snapshot | undefined): Promise<SnapshotChange | undefined> {
    const { manifest } = this.options;
    if (head?.landings.includes(manifest.sequence) === true) return undefined;
    const source = sourceState(head, manifest);
    const tables: Record<string, TableState> = {};
    const views: Record<string, ViewState> = head === undefined ? await this.firstViews() : {};
    for (const landed of landedTypes(this.options)) {
      this.options.onProgress?.(landed.type);
      const added = await addVersions(
        this.lake,
        this.connection,
        this.writer,
        landed,
        head,
        this.layers.get(landed.type),
      );
      this.layers.set(landed.type, added);
      if (added.layer === undefined) continue;
      tables[landed.type] = withLayer(head?.tables[landed.type], added);
      await this.refreshViews(head, landed.type, added, views);
    }
    if (Object.keys(tables).length === 0) return undefined;
    const outcome = this.outcome();
    return {
      operation: { kind: "ingest", source: manifest.source, landing: manifest.sequence, ...outcome },
      acceptedAtMs: Date.parse(manifest.acceptedAt),
      landing: manifest.sequence,
      sources: { [manifest.source]: source },
      tables,
      views,
    };
  }

  outcome(): Omit<LandingOutcome, "snapshot"> {
    const { counts } = this.options.manifest;
    const types: Record<string, { stored: number; deleted: number; superseded: number; unchanged: number }> =
      {};
    const sum = { stored: 0, superseded: 0, unchanged: 0 };
    for (const [type, { classification: c }] of this.layers) {
      types[type] = {
        stored: c.stored,
        deleted: c.deleted,
        superseded: c.superseded,
        unchanged: c.unchanged,
      };
      sum.stored += c.stored;
      sum.superseded += c.superseded;
      sum.unchanged += c.unchanged;
    }
    const { lines, entries, unpacked, skipped, blank, quarantined } = counts;
    return { counts: { lines, entries, unpacked, skipped, blank, quarantined, ...sum }, types };
  }

  private async firstViews(): Promise<Record<string, ViewState>> {
    const states: Record<string, ViewState> = {};
    for (const [name, view] of this.options.views) states[name] = await unbuilt(this.lake, view);
    return states;
  }

  private async refreshViews(
    head: Snapshot | undefined,
    type: string,
    added: AddedLayer,
    views: Record<string, ViewState>,
  ): Promise<void> {
    if (added.layer === undefined) return;
    for (const [name, before] of Object.entries(head?.views ?? {})) {
      if (before.resource !== type || before.state !== "ready") continue;
      try {
        const delta = await this.deltaOf(name, before, added.layer, added.observed);
        views[name] = await withDelta(this.lake, this.connection, before, delta);
      } catch (error) {
        views[name] = failedView(before, error, (head?.tables[type]?.revision ?? 0) + 1);
      }
    }
  }

  private async deltaOf(
    name: string,
    view: ViewState,
    layer: TableLayer,
    observed: readonly string[],
  ): Promise<ViewLayer> {
    const known = this.deltas.get(name);
    if (known !== undefined && known.hash === view.hash && known.layer === layer) return known.delta;
    const compiled = await this.compile(view);
    const delta = await deltaLayer(this.lake, this.writer, name, view, compiled, layer, observed);
    this.deltas.set(name, { hash: view.hash, layer, delta });
    return delta;
  }

  private async compile(view: ViewState): Promise<CompiledView> {
    const known = this.compiled.get(view.definition);
    if (known !== undefined) return known;
    const compiled = await compiledOf(this.lake, view);
    this.compiled.set(view.definition, compiled);
    return compiled;
  }
}

/**
 * Folds a complete landing into the lake and commits it as one snapshot, materialized views included: those that are `ready` are
 * refreshed with the changed resources only. Safe against concurrent writers and against being run again for the same landing.
 */
export async function commitLanding(lake: Lake, options: CommitLandingOptions): Promise<LandingOutcome> {
  let outcome: Omit<LandingOutcome, "snapshot"> | undefined;
  const snapshot = await FileWriter.during(lake, async (connection, writer) => {
    const work = new LandingCommit(lake, connection, writer, options);
    const made = await commit(lake, (head) => work.prepare(head));
    outcome = work.outcome();
    return made;
  });
  return { snapshot, ...outcome! };
}
