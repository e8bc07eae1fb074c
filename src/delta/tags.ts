import { createHash } from "node:crypto";
import type { AddFile } from "./action.js";
import { type DeltaField, schemaString } from "./delta-type.js";
import type { LiveRows, SourceFile } from "./source-file.js";

/** Where a published file's rows come from. It stands in the file's `tags`, so that the log alone tells what is up to date. */
export interface SourceTags {
  /** Object key of the lake's file. */
  readonly source: string;
  /** Which of its rows are published. */
  readonly live: LiveRows;
  /** {@link SourceFile.hiddenById} when it was published. */
  readonly hiddenById: string;
  /** Identifies the published columns that the lake's file has. */
  readonly columns: string;
}

const SOURCE = "fhirLake.source";
const ROWS = "fhirLake.rows";
const HIDDEN_BY = "fhirLake.hiddenBy";
const COLUMNS = "fhirLake.columns";

/** Changes exactly when name, type or order of a file's published columns change. */
export function columnsId(columns: readonly DeltaField[]): string {
  return createHash("sha256").update(schemaString(columns)).digest("hex").slice(0, 16);
}

/** The `tags` of an add action. */
export function encodeTags(
  source: SourceFile,
  live: LiveRows,
  columns: readonly DeltaField[],
): Record<string, string> {
  return {
    [SOURCE]: source.file.key,
    [ROWS]: `${live.rows}:${live.checksum}`,
    [HIDDEN_BY]: source.hiddenById,
    [COLUMNS]: columnsId(columns),
  };
}

/** Reads {@link encodeTags}; undefined for a file that fhir-lake did not publish. */
export function decodeTags(add: AddFile): SourceTags | undefined {
  const tags = add.tags as Readonly<Record<string, string>> | undefined;
  const source = tags?.[SOURCE];
  const rows = tags?.[ROWS]?.split(":");
  if (source === undefined || rows?.length !== 2) return undefined;
  return {
    source,
    live: { rows: Number(rows[0]), checksum: rows[1]! },
    hiddenById: tags?.[HIDDEN_BY] ?? "",
    columns: tags?.[COLUMNS] ?? "",
  };
}
