import { quoteLiteral } from "#duckdb";

/** Types that may carry a whole Patient in them, so that also ids in them may be a person's. */
export const ENVELOPES = new Set(["Bundle", "Parameters"]);

function list(texts: Iterable<string>): string {
  return [...texts].map(quoteLiteral).join(", ");
}

/** SQL text of the hashed key of a Patient with the id in `expression`. */
function patientKey(source: string, expression: string): string {
  return `left(sha256(${quoteLiteral(source)} || chr(0) || 'Patient' || chr(0) || ${expression}), 32)`;
}

/**
 * A SELECT of the rows (columns `columns`) of a relation whose `text` names one of the persons of a source, each once or more. Only hashes of
 * keys are known, so every id that stands behind `Patient/` is hashed and compared.
 */
export function mentioningRows(
  relation: string,
  columns: string,
  text: string,
  type: string,
  source: string,
  persons: Iterable<string>,
): string {
  const keys = list(persons);
  const behind = (pattern: string): string =>
    `SELECT ${columns}, unnest(regexp_extract_all(${text}, ${quoteLiteral(pattern)}, 1)) AS mentioned_id FROM ${relation} WHERE ${text} IS NOT NULL`;
  const ids = [behind("Patient/([A-Za-z0-9.-]{1,64})")];
  if (ENVELOPES.has(type)) ids.push(behind('"id"\\s*:\\s*"([A-Za-z0-9.-]{1,64})"'));
  return `SELECT DISTINCT ${columns} FROM (${ids.join(" UNION ALL ")}) WHERE ${patientKey(source, "mentioned_id")} IN (${keys})`;
}

/** A parenthesised relation with one UUID column `_lake_key` of hashed keys. */
export function keyRelation(keys: Iterable<string>): string {
  const values = [...keys].map((key) => `(${quoteLiteral(key)})`).join(", ");
  return values === ""
    ? "(SELECT NULL::UUID AS _lake_key WHERE false)"
    : `(SELECT key::UUID AS _lake_key FROM (VALUES ${values}) k(key))`;
}

/** A parenthesised relation of the keys of several sets: UUID column `_lake_key`, and the set's name in `what`. */
export function keysRelation(sets: Readonly<Record<string, ReadonlySet<string>>>): string {
  const values = Object.entries(sets).flatMap(([what, keys]) =>
    [...keys].map((key) => `(${quoteLiteral(key)}, ${quoteLiteral(what)})`),
  );
  return `(SELECT key::UUID AS _lake_key, what FROM (VALUES ${values.join(", ")}) k(key, what))`;
}
