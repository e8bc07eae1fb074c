/** An object as a listing shows it. */
export interface ObjectEntry {
  readonly key: string;
  readonly sizeBytes: number;
  /** Milliseconds since the epoch of the last write; used for grace periods only, never to order data. */
  readonly modifiedAtMs: number;
}

/** Size in bytes and lowercase hex SHA-256 of an object's bytes. */
export interface FileDigest {
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** Local files kept in place for as long as somebody reads them. */
export interface FileHold {
  /** {@link ObjectStore.localPath} whose answer stays valid until {@link FileHold.release}. */
  localPath(key: string, expected?: FileDigest): Promise<string>;
  /** Lets the store remove its local copies again; calling it twice does nothing more. */
  release(): Promise<void>;
}

/**
 * Where a lake lives. Keys are `/`-separated relative paths of `[A-Za-z0-9._=-]` segments.
 * Objects are immutable: written once, read, deleted. What a method has answered is durable.
 */
export interface ObjectStore {
  /** How the location is shown to people, for example a folder's path. */
  readonly location: string;

  /**
   * Creates a small object unless its key exists. `exists` means somebody else's bytes stand there (nothing was written).
   * Never leaves a partly written object behind, whatever moment the process dies.
   */
  putIfAbsent(key: string, bytes: Uint8Array): Promise<"created" | "exists">;

  /** The whole object. Fails with `storage/not-found`. */
  get(key: string): Promise<Uint8Array>;

  /**
   * Makes a finished local file an object under a new key and takes the file over (it is gone from its old place).
   * The caller has written the file below {@link stagingDirectory}. It can be read at once but is durable only after
   * {@link makeDurable}.
   */
  publish(localFile: string, key: string): Promise<void>;

  /** Returns when these published objects survive a power loss. Many at once cost little more than one. */
  makeDurable(keys: readonly string[]): Promise<void>;

  /**
   * A path on this machine where the object's bytes can be read by DuckDB, valid until {@link close}; long-lived processes ask
   * through a {@link hold}. A remote object is fetched, checked against `expected` where that is given, and kept.
   * Errors: `storage/not-found`, `storage/damaged-object`.
   */
  localPath(key: string, expected?: FileDigest): Promise<string>;

  /** A hold with no files in it yet. */
  hold(): FileHold;

  /** Size and checksum of the object as it is stored now, read anew and not from any cache. Fails with `storage/not-found`. */
  digest(key: string): Promise<FileDigest>;

  /** All objects whose key starts with `prefix`, in no particular order. Never used as a source of truth. */
  list(prefix: string): AsyncIterable<ObjectEntry>;

  /** Removes an object; removing one that is not there succeeds. */
  delete(key: string): Promise<void>;

  /** Removes many objects with few requests; those that are not there are passed over. Fails when any could not be removed. */
  deleteMany(keys: readonly string[]): Promise<void>;

  /** A new empty local folder for files that will be published; the caller removes it. */
  stagingDirectory(label: string): Promise<string>;

  /**
   * A local folder that is there again after a restart, for work that is resumed such as downloads. The same label (one key
   * segment, for example `source-main`) always gives the same folder; nothing in it is removed by the store, not even by `prune`.
   */
  workDirectory(label: string): Promise<string>;

  /** Removes empty folders below these prefixes that are older than the cutoff where the store has folders at all, and unfinished uploads of that age. */
  prune(prefixes: readonly string[], cutoffMs: number): Promise<void>;

  /** Gives back connections and local copies; nothing else may be called afterwards. */
  close(): Promise<void>;
}
