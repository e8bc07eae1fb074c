export { type AppendedValue, appendRows } from "./append-rows.js";
export { type ArrowForm, encodeArrow } from "./arrow.js";
export { type ColumnType, parseColumnType } from "./column-type.js";
export {
  Connection,
  Database,
  type DatabaseOptions,
  type Openings,
  type Parameters,
  type PreparedStatement,
  type RunOptions,
} from "./database.js";
export { mapDuckDbError } from "./errors.js";
export { type NamedParameters, namedParameters, type ScalarKind, type SqlParameter } from "./parameter.js";
export { type ParquetRequest, writeParquet } from "./parquet.js";
export { quoteIdentifier, quoteLiteral } from "./quote.js";
export { ResultChunk, type ResultColumn, ResultStream } from "./result-stream.js";
