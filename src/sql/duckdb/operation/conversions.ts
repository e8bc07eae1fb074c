import { BIGINT, BOOLEAN, INTEGER, type Operation, TEXT } from "#plan";
import type { Spelling } from "./spelling.js";

const DATE_PATTERN = "[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?";
const CLOCK_PATTERN = "([01][0-9]|2[0-3])(:[0-5][0-9](:[0-5][0-9](\\.[0-9]+)?)?)?";
const ZONE_PATTERN = "(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])";

/** The text itself when it has the form, else NULL. */
function ifMatches(pattern: string, result: (sql: string) => string = (sql) => sql): Spelling {
  return {
    type: TEXT,
    sql: ([a]) => `(CASE WHEN regexp_full_match(${a}, '${pattern}') THEN ${result(a!)} END)`,
  };
}

/** Conversions between the types of FHIRPath; NULL where the text has no such form. */
export const CONVERSIONS = {
  text: { type: TEXT, sql: ([a]) => `CAST(${a} AS VARCHAR)` },
  parseBoolean: {
    type: BOOLEAN,
    sql: ([a]) =>
      `(CASE WHEN lower(${a}) IN ('true', 't', 'yes', 'y', '1', '1.0') THEN TRUE WHEN lower(${a}) IN ('false', 'f', 'no', 'n', '0', '0.0') THEN FALSE END)`,
  },
  parseInteger: {
    type: INTEGER,
    sql: ([a]) => `(CASE WHEN regexp_full_match(${a}, '[+-]?[0-9]+') THEN TRY_CAST(${a} AS INTEGER) END)`,
  },
  parseLong: {
    type: BIGINT,
    sql: ([a]) => `(CASE WHEN regexp_full_match(${a}, '[+-]?[0-9]+') THEN TRY_CAST(${a} AS BIGINT) END)`,
  },
  parseDecimal: ifMatches("[+-]?[0-9]+(\\.[0-9]+)?([eE][+-]?[0-9]+)?", (a) => `ltrim(${a}, '+')`),
  parseDate: ifMatches(`${DATE_PATTERN}(T(${CLOCK_PATTERN}${ZONE_PATTERN}?)?)?`, (a) => `left(${a}, 10)`),
  parseDateTime: ifMatches(
    `${DATE_PATTERN}|[0-9]{4}-[0-9]{2}-[0-9]{2}T(${CLOCK_PATTERN}${ZONE_PATTERN}?)?`,
    (a) => `rtrim(${a}, 'T')`,
  ),
  parseTime: ifMatches(`T?${CLOCK_PATTERN}`, (a) => `ltrim(${a}, 'T')`),
  dateOfDateTime: { type: TEXT, sql: ([a]) => `left(${a}, 10)` },
} satisfies Partial<Record<Operation, Spelling>>;
