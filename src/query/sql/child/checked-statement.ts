import type { Connection } from "#duckdb";
import { LakeError } from "#kernel";
import { checkStatement, type StatementNeeds } from "../guard.js";
import { isObject, type Json, type JsonObject, meaningOf } from "../syntax-tree.js";

/** A statement that may run. */
export interface CheckedStatement extends StatementNeeds {
  /** One SELECT over the statement, without a semicolon. */
  readonly source: string;
}

/** More semicolons at the end than anybody writes. */
const MOST_CUTS = 20;

/** The syntax tree of SQL, by the engine's own parser; an object with `error` where it has none. */
export async function serialize(connection: Connection, sql: string): Promise<JsonObject> {
  const [row] = await connection.rows<{ tree: string }>("SELECT json_serialize_sql($1::VARCHAR) AS tree", [
    sql,
  ]);
  return JSON.parse(row?.tree ?? "{}") as JsonObject;
}

function wrapped(sql: string): string {
  return `SELECT * FROM (${sql}\n) AS _statement`;
}

/** The tree of a {@link wrapped} statement in two parts: the statement in it, and everything around. */
function unwrapped(tree: JsonObject): { readonly inner: string; readonly around: string } | undefined {
  const statements = tree["statements"];
  const outer = Array.isArray(statements) ? (statements as readonly Json[])[0] : undefined;
  const node = isObject(outer) ? outer["node"] : undefined;
  const from = isObject(node) ? node["from_table"] : undefined;
  const subquery = isObject(from) ? from["subquery"] : undefined;
  if (!isObject(node) || !isObject(from) || !isObject(subquery)) return undefined;
  const around = { ...tree, statements: [{ node: { ...node, from_table: { ...from, subquery: null } } }] };
  return {
    inner: meaningOf(subquery["node"]),
    around: `${meaningOf(around)} ${(statements as readonly Json[]).length}`,
  };
}

/** What stands around any statement in a {@link wrapped} one; the same for all, so it is asked for once. */
let plain: string | undefined;

/** Where the text may be cut so that no semicolon is left: nowhere, then at each semicolon from the last one on. */
function cuts(sql: string): number[] {
  const found = [sql.length];
  for (let at = sql.lastIndexOf(";"); at > 0 && found.length < MOST_CUTS; at = sql.lastIndexOf(";", at - 1)) {
    found.push(at);
  }
  return found;
}

/**
 * The text of a checked statement as a subquery. What was checked and what will run must be the same: the engine's parser reads the
 * whole text once more, and must find in it that very statement with nothing around it.
 */
async function asSubquery(connection: Connection, sql: string, checked: string): Promise<string> {
  plain ??= unwrapped(await serialize(connection, wrapped("SELECT 1")))!.around;
  for (const end of cuts(sql)) {
    const source = wrapped(sql.slice(0, end));
    const found = unwrapped(await serialize(connection, source));
    if (found !== undefined && found.inner === checked && found.around === plain) return source;
  }
  throw new LakeError(
    "invalid-input",
    "query/sql-refused",
    "The statement cannot stand as a subquery; leave out what follows it, and write it as one plain SELECT.",
  );
}

/** Parses and checks a statement, without running any of it. Fails with `query/sql-invalid`, `query/sql-refused`, `query/unknown-view`. */
export async function checkedStatement(
  connection: Connection,
  sql: string,
  views: readonly string[],
): Promise<CheckedStatement> {
  let tree: JsonObject;
  try {
    tree = await serialize(connection, sql);
  } catch (error) {
    // The parser itself gave up, as it does on thousands of nested parentheses.
    throw new LakeError("invalid-input", "query/sql-invalid", "The SQL cannot be parsed; simplify it.", {
      cause: error,
    });
  }
  const needs = checkStatement(tree, views);
  const [statement] = tree["statements"] as readonly JsonObject[];
  return { ...needs, source: await asSubquery(connection, sql, meaningOf(statement!["node"])) };
}
