/** An object as a listing shows it. */
export interface ObjectEntry {
  readonly key: string;
  readonly sizeBytes: number;
  /** Milliseconds since the epoch of the last write; used for grace periods only, never to order data. */
  readonly modifiedAtMs: number;
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

  /** A path on this machine where the object's bytes can be read by DuckDB. Fails with `storage/not-found`. */
  localPath(key: string): Promise<string>;

  /** All objects whose key starts with `prefix`, in no particular order. Never used as a source of truth. */
  list(prefix: string): AsyncIterable<ObjectEntry>;

  /** Removes an object; removing one that is not there succeeds. */
  delete(key: string): Promise<void>;

  /** A new empty local folder for files that will be published; the caller removes it. */
  stagingDirectory(label: string): Promise<string>;

  /** Removes empty folders below these prefixes that are older than the cutoff, where the store has folders at all. */
  prune(prefixes: readonly string[], cutoffMs: number): Promise<void>;
}
