/** The formats in which answers leave. */
export const resultFormats = ["json", "ndjson", "csv", "parquet", "arrow"] as const;

/** One of {@link resultFormats}; `arrow` is the IPC stream format. */
export type ResultFormat = (typeof resultFormats)[number];
