export { Connection, Database, type DatabaseOptions } from "./database.js";
export { mapDuckDbError } from "./errors.js";
