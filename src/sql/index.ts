export { FAILURE_PREFIX } from "./duckdb/expression.js";
export { duckdbNdjsonRelation, quotedDecimals } from "./duckdb/ndjson.js";
export { duckdbStatement } from "./duckdb/statement.js";
export { jsonStructure, typeName as duckdbTypeName } from "./duckdb/type-name.js";
export { KEY_OUTPUT, type SqlStatement, type ViewSource } from "./source.js";
