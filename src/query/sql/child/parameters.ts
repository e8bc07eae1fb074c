import { type Connection, type NamedParameters, namedParameters, type SqlParameter } from "#duckdb";
import { didYouMean, LakeError } from "#kernel";
import type { JsonObject } from "../syntax-tree.js";
import { isObject, text } from "../syntax-tree.js";

function badParameter(name: string, message: string): LakeError {
  return new LakeError("invalid-input", "query/sql-parameter", message, { details: { parameter: name } });
}

/** Every parameter of the statement has a value, and every value a parameter. */
function checkNames(used: readonly string[], given: readonly string[]): void {
  const values = new Set(given.map((name) => name.toLowerCase()));
  if (values.size < given.length) {
    throw badParameter("", "Two parameters have the same name; upper and lower case are the same in SQL.");
  }
  const missing = used.find((name) => !values.has(name));
  if (missing !== undefined) {
    const hint = didYouMean(missing, given);
    throw badParameter(missing, `The statement's parameter '$${missing}' has no value.${hint}`);
  }
  const unused = given.find((name) => !used.includes(name.toLowerCase()));
  if (unused === undefined) return;
  const hint = didYouMean(unused, used);
  throw badParameter(unused.slice(0, 64), `The statement has no parameter '$${unused.slice(0, 64)}'.${hint}`);
}

/** The SQL name of a type that a statement casts a parameter to; undefined for types that are made of others. */
function castName(type: JsonObject | undefined): string | undefined {
  const id = text(type?.["id"]);
  const info = type?.["type_info"];
  if (id === "DECIMAL" && isObject(info))
    return `DECIMAL(${Number(info["width"])}, ${Number(info["scale"])})`;
  return info === null && /^[A-Z][A-Z0-9_ ]{2,30}$/.test(id) ? id : undefined;
}

/**
 * The values of a statement's parameters, ready to be bound. Fails with `query/sql-parameter`, naming the parameter, when one has no value, a value has no
 * parameter, or a value is nothing that the statement's own cast (`$since::DATE`) takes.
 */
export async function boundParameters(
  connection: Connection,
  used: ReadonlyMap<string, JsonObject | undefined>,
  given: Readonly<Record<string, SqlParameter>>,
): Promise<NamedParameters> {
  checkNames([...used.keys()], Object.keys(given));
  for (const [name, value] of Object.entries(given)) {
    const cast = castName(used.get(name.toLowerCase()));
    if (cast === undefined) continue;
    const [row] = await connection.rows<{ bad: boolean }>(
      `SELECT TRY_CAST($value AS ${cast}) IS NULL AND $value IS NOT NULL AS bad`,
      namedParameters({ value }),
    );
    if (row?.bad === true) throw badParameter(name, `The value of '$${name}' is no ${cast}.`);
  }
  return namedParameters(given);
}
