import type { Connection, Parameters, RunOptions } from "./database.js";
import { quoteLiteral } from "./quote.js";

/** A query whose rows are to become a file. */
export interface ParquetRequest extends RunOptions {
  /** One SELECT statement without a trailing semicolon. */
  readonly select: string;
  readonly parameters?: Parameters;
  /** The file to create; an existing one is overwritten. */
  readonly path: string;
  /** Key-value pairs for the footer of the file. */
  readonly metadata?: ReadonlyMap<string, string>;
}

/** Writes the rows of a query to one zstd-compressed Parquet file and returns how many there were. */
export async function writeParquet(connection: Connection, request: ParquetRequest): Promise<number> {
  const pairs = [...(request.metadata ?? [])].map(
    ([key, value]) => `${quoteLiteral(key)}: ${quoteLiteral(value)}`,
  );
  const metadata = pairs.length === 0 ? "" : `, KV_METADATA {${pairs.join(", ")}}`;
  const [row] = await connection.rows<{ Count: string }>(
    `COPY (${request.select}) TO ${quoteLiteral(request.path)} (FORMAT parquet, COMPRESSION zstd${metadata})`,
    request.parameters ?? [],
    { signal: request.signal },
  );
  return Number(row?.Count ?? 0);
}
