export { FAILURE_PREFIX } from "./duckdb/failure.js";
export { duckdbNdjsonRelation, quotedDecimals } from "./duckdb/ndjson.js";
export { duckdbStatement } from "./duckdb/statement.js";
export { duckdbTextRelation, type TextRelationOptions } from "./duckdb/text-relation.js";
export { jsonStructure, typeName as duckdbTypeName } from "./duckdb/type-name.js";
export { KEY_OUTPUT, type SqlStatement, type ViewSource } from "./source.js";
