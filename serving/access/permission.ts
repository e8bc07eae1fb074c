/**
 * What a caller may do here. Every route names one of them; `public` asks for none.
 * `metadata.read` covers what holds no rows of persons: lists, schemas, freshness, runs.
 */
export const permissions = [
  "public",
  "metadata.read",
  "views.read",
  "sql.run",
  "cohorts.read",
  "cohorts.write",
  "pins.write",
  "operations.read",
  "operations.write",
] as const;

/** One of these. */
export type Permission = (typeof permissions)[number];
