/** The formats in which answers leave. */
export const resultFormats = [
  "json",
  "ndjson",
  "csv",
  "tsv",
  "parquet",
  "arrow",
  "arrows",
  "xlsx",
  "md",
] as const;

/** One of {@link resultFormats}; `arrow` is the IPC file format, `arrows` the IPC stream format. */
export type ResultFormat = (typeof resultFormats)[number];
