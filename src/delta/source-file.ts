import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { type Connection, quoteLiteral } from "#duckdb";
import { LakeError } from "#kernel";
import type { FileRef, TableState, ViewState } from "#lake";
import type { FileHold } from "#storage";

/** A data file of the lake, with what decides which of its rows count. */
export interface SourceFile {
  readonly file: FileRef;
  /** Files whose `_lake_key` column lists keys that hide this file's rows. */
  readonly hiddenBy: readonly FileRef[];
  /** Identifies `hiddenBy`: rows that count are the same while it is. */
  readonly hiddenById: string;
  /** True when rows may be tombstones. */
  readonly tombstones: boolean;
}

function idOf(files: readonly FileRef[]): string {
  const hash = createHash("sha256");
  for (const file of files) hash.update(`${file.key}\n`);
  return hash.digest("hex").slice(0, 16);
}

function layerFiles(
  files: readonly FileRef[],
  hiddenBy: readonly FileRef[],
  tombstones: boolean,
): SourceFile[] {
  const hiddenById = idOf(hiddenBy);
  return files.map((file) => ({ file, hiddenBy, hiddenById, tombstones }));
}

/** Files of a resource table: every delta layer hides rows of all base layers, and of the delta layers below it (ADR 0001). */
export function tableSources(table: TableState): SourceFile[] {
  const deltas = table.layers.filter((layer) => layer.level !== 0);
  const all = deltas.flatMap((layer) => layer.files);
  return table.layers.flatMap((layer) => {
    if (layer.level === 0) return layerFiles(layer.files, all, true);
    const later = deltas.slice(deltas.indexOf(layer) + 1).flatMap((next) => next.files);
    return layerFiles(layer.files, later, true);
  });
}

/** Files of a materialized view: a layer's rows are hidden by the key lists of the layers above it. */
export function viewSources(view: ViewState): SourceFile[] {
  return view.layers.flatMap((layer, i) => {
    const later = view.layers.slice(i + 1).flatMap((next) => next.replaces);
    return layerFiles(layer.files, later, false);
  });
}

/** Local paths of lake files for as long as they are read; sizes are checked, as a damaged file must not be published. */
export class SourcePaths {
  private readonly hold: FileHold;

  constructor(hold: FileHold) {
    this.hold = hold;
  }

  async path(file: FileRef): Promise<string> {
    const local = await this.hold.localPath(file.key, file);
    const { size } = await stat(local);
    if (size === file.sizeBytes) return local;
    throw new LakeError(
      "corrupt-data",
      "delta/damaged-source",
      `The data file '${file.key}' has ${size} bytes instead of ${file.sizeBytes}; restore it from a backup, then publish again.`,
      { details: { key: file.key } },
    );
  }

  /** `read_parquet` over files that have one column set. */
  async relation(files: readonly FileRef[], options = ""): Promise<string> {
    const paths = await Promise.all(files.map((file) => this.path(file)));
    return `read_parquet([${paths.map(quoteLiteral).join(", ")}], hive_partitioning = false${options})`;
  }
}

/** WHERE and ANTI JOIN that leave the rows of a source that count. */
async function counting(source: SourceFile, paths: SourcePaths): Promise<string> {
  const where = source.tombstones ? " WHERE NOT _lake_deleted" : "";
  if (source.hiddenBy.length === 0) return where;
  const keys = `SELECT _lake_key FROM ${await paths.relation(source.hiddenBy)}`;
  return ` ANTI JOIN (${keys}) USING (_lake_key)${where}`;
}

/** SELECT of the rows of a source that count, with the expressions asked for. */
export async function countingRows(
  source: SourceFile,
  paths: SourcePaths,
  select: readonly string[],
): Promise<string> {
  return `SELECT ${select.join(", ")} FROM ${await paths.relation([source.file])}${await counting(source, paths)}`;
}

/** Which rows of a file count: their number and a checksum over their keys. */
export interface LiveRows {
  readonly rows: number;
  readonly checksum: string;
}

/** {@link LiveRows} of many files by object key, with one scan of key columns per group of files that the same layers hide. */
export async function liveRows(
  connection: Connection,
  paths: SourcePaths,
  sources: readonly SourceFile[],
): Promise<Map<string, LiveRows>> {
  const groups = new Map<string, SourceFile[]>();
  for (const source of sources) {
    const group = groups.get(source.hiddenById);
    if (group === undefined) groups.set(source.hiddenById, [source]);
    else group.push(source);
  }
  const live = new Map<string, LiveRows>();
  for (const group of groups.values()) {
    const files = group.map((source) => source.file);
    const keyOf = new Map<string, string>();
    for (const file of files) {
      live.set(file.key, { rows: 0, checksum: "0" });
      keyOf.set(await paths.path(file), file.key);
    }
    const found = await connection.rows<{ filename: string; rows: string; checksum: string }>(
      `SELECT filename, count(*) AS rows, sum(hash(_lake_key))::VARCHAR AS checksum
       FROM ${await paths.relation(files, ", filename = true")}${await counting(group[0]!, paths)} GROUP BY filename`,
    );
    for (const { filename, rows, checksum } of found) {
      live.set(keyOf.get(filename)!, { rows: Number(rows), checksum });
    }
  }
  return live;
}
