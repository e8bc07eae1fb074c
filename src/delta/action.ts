/** Actions of the Delta transaction log, as far as fhir-lake writes them (Delta transaction log protocol, "Actions"). */

/** A data file that belongs to the table from this version on. */
export interface AddFile {
  /** Relative to the table's folder. */
  readonly path: string;
  readonly partitionValues: Readonly<Record<string, string>>;
  readonly size: number;
  readonly modificationTime: number;
  readonly dataChange: boolean;
  /** JSON text of FileStats. */
  readonly stats: string;
  /** Where the rows come from; see {@link SourceTags}. */
  readonly tags: Readonly<Record<string, string>>;
}

/** A data file that no longer belongs to the table. */
export interface RemoveFile {
  readonly path: string;
  readonly deletionTimestamp: number;
  readonly dataChange: boolean;
  readonly extendedFileMetadata: boolean;
  readonly partitionValues: Readonly<Record<string, string>>;
  readonly size: number;
}

/** Schema and settings of the table. */
export interface MetaData {
  readonly id: string;
  readonly name: string;
  readonly description?: string;
  readonly format: { readonly provider: "parquet"; readonly options: Readonly<Record<string, string>> };
  readonly schemaString: string;
  readonly partitionColumns: readonly string[];
  readonly configuration: Readonly<Record<string, string>>;
  readonly createdTime: number;
}

/** The last version of an application's own numbering that is in the table: what makes publishing idempotent. */
export interface Transaction {
  readonly appId: string;
  readonly version: number;
  readonly lastUpdated: number;
}

export interface Protocol {
  readonly minReaderVersion: number;
  readonly minWriterVersion: number;
}

/** Who wrote a version, when and why; not part of the table's state. */
export interface CommitInfo {
  readonly timestamp: number;
  readonly operation: string;
  readonly operationParameters: Readonly<Record<string, string>>;
  readonly engineInfo: string;
  readonly isBlindAppend: boolean;
  /** Unique per attempt, so that a publisher recognises its own version after an unclear outcome. */
  readonly txnId: string;
}

/** One line of the log. Exactly one property is set. */
export interface Action {
  readonly commitInfo?: CommitInfo;
  readonly protocol?: Protocol;
  readonly metaData?: MetaData;
  readonly txn?: Transaction;
  readonly add?: AddFile;
  readonly remove?: RemoveFile;
}

/** The least protocol there is: every reader understands it. */
export const PROTOCOL: Protocol = { minReaderVersion: 1, minWriterVersion: 2 };

/** The log file of a version: one action per line. */
export function encodeActions(actions: readonly Action[]): Uint8Array {
  return Buffer.from(actions.map((action) => `${JSON.stringify(action)}\n`).join(""));
}

/** Reads what {@link encodeActions} or another writer wrote; actions of other kinds stay objects without a known property. */
export function decodeActions(bytes: Uint8Array): Action[] {
  return Buffer.from(bytes)
    .toString("utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Action);
}
