import type { Connection } from "#duckdb";
import { type Classification, classify } from "./classify.js";
import { withoutErased } from "./erasure/refused.js";
import type { Lake } from "./lake.js";
import type { FileWriter } from "./publish.js";
import type { FileRef, Snapshot, TableLayer, TableState } from "./snapshot.js";
import { landingRelation, rowsFromLanding, shapeId } from "./table-layout.js";

/** Landing records of one resource type, as local files. */
export interface LandedType {
  readonly type: string;
  readonly source: string;
  readonly acceptedAtMs: number;
  readonly observed: readonly string[];
  readonly files: readonly {
    readonly path: string;
    readonly rows: number;
    readonly maxRecordBytes: number;
  }[];
}

/** A new layer ready to be committed, with what it was worked out against. */
export interface AddedLayer {
  readonly classification: Classification;
  /** Versions of erased persons that were left out. */
  readonly refused: number;
  /** Undefined when nothing is to be stored. */
  readonly layer: TableLayer | undefined;
  readonly observed: readonly string[];
}

/** The union of two path lists, sorted. */
function union(a: readonly string[], b: readonly string[]): string[] {
  return [...new Set([...a, ...b])].sort();
}

/**
 * Works out which landed versions become current over `head` and writes them as one layer. With `earlier` (the result for an older
 * head) its files are used again when the same versions are to be stored.
 */
export async function addVersions(
  lake: Lake,
  connection: Connection,
  writer: FileWriter,
  landed: LandedType,
  head: Snapshot | undefined,
  earlier: AddedLayer | undefined,
): Promise<AddedLayer> {
  const table = head?.tables[landed.type];
  const all = landingRelation(landed.files);
  const allowed = await withoutErased(lake, connection, landed, all, head);
  const { refused } = allowed;
  const total = landed.files.reduce((sum, file) => sum + file.rows, 0);
  const incoming = { relation: allowed.wrap(all), rows: total };
  const classification = await classify(lake, connection, incoming, table);
  if (earlier !== undefined && earlier.classification.fingerprint === classification.fingerprint) {
    return { ...earlier, classification, refused };
  }
  if (classification.stored === 0) {
    return { classification, refused, layer: undefined, observed: landed.observed };
  }
  const observed = union(table?.observed ?? [], landed.observed);
  const files: FileRef[] = [];
  for (const file of landed.files) {
    const relation = landingRelation([file]);
    const landing =
      classification.stored === total
        ? relation
        : `(SELECT l.* FROM ${relation} l SEMI JOIN to_store s ON l."key"::UUID = s.key AND l."order" = s.ord)`;
    const select = rowsFromLanding({ ...landed, definitions: lake.definitions, observed, landing });
    const written = await writer.parquet(connection, `resources/${landed.type}`, select);
    if (written !== undefined) files.push(written);
  }
  // Resources never seen before can stand in the base at once: no earlier row needs to be hidden.
  const level = classification.inserted === classification.stored ? 0 : 1;
  return {
    classification,
    refused,
    layer: { files, rows: classification.stored, level, shapeId: shapeId(observed) },
    observed,
  };
}

/** The table with the new layer on top. */
export function withLayer(table: TableState | undefined, added: AddedLayer): TableState {
  return {
    revision: (table?.revision ?? 0) + 1,
    resourceCount: (table?.resourceCount ?? 0) + added.classification.liveDelta,
    observed: union(table?.observed ?? [], added.observed),
    layers: [...(table?.layers ?? []), ...(added.layer === undefined ? [] : [added.layer])],
  };
}
