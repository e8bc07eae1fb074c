import { LakeError } from "#kernel";

/** The table was published by another lake. */
export function foreignTable(table: string, location: string): LakeError {
  return new LakeError(
    "conflict",
    "delta/foreign-table",
    `The Delta table '${table}' in '${location}' belongs to another lake or program; publish to another place with --to, or remove that folder first.`,
    { details: { table } },
  );
}

/** Other publishers were faster every time. */
export function tooMuchContention(table: string, attempts: number): LakeError {
  return new LakeError(
    "conflict",
    "delta/too-much-contention",
    `Other publishers wrote '${table}' first ${attempts} times in a row; publish again when fewer are at work.`,
    { details: { table }, retryable: true },
  );
}

/** Other publishers recorded their publications first every time. */
export function tooManyRecords(attempts: number): LakeError {
  return new LakeError(
    "conflict",
    "delta/too-much-contention",
    `Other publishers recorded their work first ${attempts} times in a row; publish again when fewer are at work.`,
    { retryable: true },
  );
}

/** A name that is none of the lake's tables. */
export function unknownTable(name: string, hint: string): LakeError {
  return new LakeError(
    "not-found",
    "delta/unknown-table",
    `The lake has no table '${name}' to publish.${hint} Tables are named resources/<Type> and views/<name>; resources and views mean all of them.`,
    { details: { name } },
  );
}

/** Log files without those that they build on: the removal of a table was interrupted, or somebody deleted them. */
export function brokenLog(table: string): LakeError {
  return new LakeError(
    "corrupt-data",
    "delta/broken-log",
    `The log of the Delta table '${table}' lacks its beginning; publish it anew with fhir-lake publish --rebuild --tables ${table}.`,
    { details: { table } },
  );
}

/** The lake lost snapshots that were published: it was brought back from a backup. */
export function aheadOfLake(table: string, published: number, head: number): LakeError {
  return new LakeError(
    "conflict",
    "delta/ahead-of-lake",
    `The Delta table '${table}' holds snapshot ${published}, but the lake ends at ${head}; if the lake was brought back from a backup, publish it anew with fhir-lake publish --rebuild.`,
    { details: { table, published, head } },
  );
}
