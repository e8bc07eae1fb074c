/** What a source handed over, as local files ready to be landed. Everything is complete and verified when this exists. */
export interface FetchedBatch {
  /** FHIR instant as the server wrote it: the next watermark. */
  readonly transactionTime: string;
  /**
   * Types whose next watermark is another (earlier) instant than `transactionTime`: a client that crawls lowers it to what it has
   * seen, because the server may answer from a replica that lags. Absent types and an absent map mean `transactionTime`.
   */
  readonly watermarks?: Readonly<Record<string, string>>;
  readonly files: readonly FetchedFile[];
  /** True: the server says it lists the deletes since `since` in this batch. False: absent deletes prove nothing. */
  readonly deletesListed: boolean;
  readonly problems: readonly FetchProblem[];
  /** Types whose watermark must not advance, sorted; {@link ANY_TYPE} stands for every type, asked for or not. */
  readonly incompleteTypes: readonly string[];
  readonly statistics: FetchStatistics;
}

/** In `incompleteTypes`: the source failed in a way that cannot be laid to any type. */
export const ANY_TYPE = "*";

/** One local file of a batch. */
export interface FetchedFile {
  /** Absolute path of NDJSON; gzip when it ends in `.gz`. */
  readonly path: string;
  /**
   * `resources`: each line is a resource. `changes`: each line is a Bundle (history, transaction, searchset) to be taken
   * apart: updates, and deletes by `request.method` DELETE.
   */
  readonly kind: "resources" | "changes";
  /** The resource type of all lines, where there is only one. */
  readonly type?: string;
  /** Lines that are not blank. */
  readonly lines?: number;
  /** Lowercase hex SHA-256 of the file as it stands on the disk. */
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** Something that the source reported or that was found wrong with what it gave; `message` holds no PHI. */
export interface FetchProblem {
  readonly severity: "fatal" | "error" | "warning" | "information";
  /** The resource type concerned, where it is known. */
  readonly type?: string;
  readonly message: string;
}

/** What fetching took, in this process; files and bytes of earlier attempts are not counted again. */
export interface FetchStatistics {
  readonly requests: number;
  /** Requests made again after a failure that may pass. */
  readonly retries: number;
  /** Bytes of bodies as received, before decompression. */
  readonly bytes: number;
  /** Files that an earlier, interrupted call had finished. */
  readonly resumedFiles: number;
}
