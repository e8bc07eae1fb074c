export { FAILURE_PREFIX } from "./duckdb/expression.js";
export { duckdbNdjsonRelation } from "./duckdb/ndjson.js";
export { duckdbStatement } from "./duckdb/statement.js";
export { typeName as duckdbTypeName } from "./duckdb/type-name.js";
export { KEY_OUTPUT, type SqlStatement, type ViewSource } from "./source.js";
