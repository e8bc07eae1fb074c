import { BOOLEAN, INTEGER, listOf, type Operation, TEXT } from "#plan";
import { stringLiteral } from "../quote.js";
import { infix, literalText, named, type Spelling } from "./spelling.js";

const integer = (sql: string): string => `CAST(${sql} AS INTEGER)`;

/** Characters that stand for others inside the replacement text of regexp_replace. */
function patternReplacement(sql: string): string {
  // FHIRPath writes groups as $1, the engine as \1; a backslash in the text stands for itself.
  return `regexp_replace(replace(${sql}, '\\', '\\\\'), '\\$([0-9])', '\\\\\\1', 'g')`;
}

function encoded(format: string, sql: string): string {
  if (format === "hex") return `lower(hex(${sql}))`;
  const base64 = `base64(encode(${sql}))`;
  return format === "urlbase64" ? `replace(replace(${base64}, '+', '-'), '/', '_')` : base64;
}

function decoded(format: string, sql: string): string {
  const bytes =
    format === "hex"
      ? "CASE WHEN regexp_full_match(k, '([0-9a-fA-F]{2})*') THEN unhex(k) END"
      : "CASE WHEN regexp_full_match(k, '([A-Za-z0-9+/_-]{4})*([A-Za-z0-9+/_-]{2}==|[A-Za-z0-9+/_-]{3}=)?') THEN from_base64(replace(replace(k, '-', '+'), '_', '/')) END";
  // The operand is evaluated outside of TRY, which would hide its errors.
  return `list_extract(list_transform([${sql}], lambda k: TRY(decode(${bytes}))), 1)`;
}

const HTML: readonly (readonly [string, string])[] = [
  ["&", "&amp;"],
  ["<", "&lt;"],
  [">", "&gt;"],
  ['"', "&quot;"],
  ["'", "&#39;"],
];

function replaceAll(sql: string, pairs: readonly (readonly [string, string])[]): string {
  return pairs.reduce(
    (text, [from, to]) => `replace(${text}, ${stringLiteral(from)}, ${stringLiteral(to)})`,
    sql,
  );
}

/** Text functions. */
export const TEXTS = {
  concatenate: infix("||", TEXT),
  textLength: { type: INTEGER, sql: ([a]) => integer(`length(${a})`) },
  substring: {
    type: TEXT,
    sql: ([a, start, length]) => {
      const inside = `${start} >= 0 AND ${start} < length(${a})`;
      const count = length === undefined ? "" : `, greatest(${length}, 0)`;
      return `(CASE WHEN ${inside} THEN substr(${a}, ${start} + 1${count}) END)`;
    },
  },
  position: {
    type: INTEGER,
    sql: ([a, part]) => integer(`(CASE WHEN ${part} = '' THEN 0 ELSE strpos(${a}, ${part}) - 1 END)`),
  },
  lastPosition: {
    type: INTEGER,
    sql: ([a, part]) => {
      const fromEnd = `strpos(reverse(${a}), reverse(${part}))`;
      const found = `CASE WHEN strpos(${a}, ${part}) = 0 THEN -1 ELSE length(${a}) - length(${part}) - ${fromEnd} + 1 END`;
      return integer(`(CASE WHEN ${part} = '' THEN length(${a}) ELSE ${found} END)`);
    },
  },
  startsWith: named("starts_with", BOOLEAN),
  endsWith: named("ends_with", BOOLEAN),
  containsText: named("contains", BOOLEAN),
  upper: named("upper", TEXT),
  lower: named("lower", TEXT),
  trim: { type: TEXT, sql: ([a]) => `regexp_replace(${a}, '^\\s+|\\s+$', '', 'g')` },
  replaceText: {
    type: TEXT,
    sql: ([a, from, to]) =>
      `(CASE WHEN ${from} = '' THEN ${to} || regexp_replace(${a}, '(.)', '\\1' || replace(${to}, '\\', '\\\\'), 'gs') ELSE replace(${a}, ${from}, ${to}) END)`,
  },
  matches: { type: BOOLEAN, sql: ([a, pattern]) => `regexp_matches(${a}, ${pattern}, 's')` },
  matchesFull: { type: BOOLEAN, sql: ([a, pattern]) => `regexp_full_match(${a}, ${pattern}, 's')` },
  replaceMatches: {
    type: TEXT,
    sql: ([a, pattern, to]) => `regexp_replace(${a}, ${pattern}, ${patternReplacement(to!)}, 'g')`,
  },
  characters: {
    type: listOf(TEXT),
    sql: ([a]) => `(CASE WHEN ${a} <> '' THEN string_split(${a}, '') ELSE [] END)`,
  },
  splitText: {
    type: listOf(TEXT),
    sql: ([a, separator]) => `(CASE WHEN ${separator} IS NOT NULL THEN string_split(${a}, ${separator}) END)`,
  },
  encode: { type: TEXT, sql: ([a], values) => encoded(literalText(values[1]!), a!) },
  decode: { type: TEXT, sql: ([a], values) => decoded(literalText(values[1]!), a!) },
  escapeText: {
    type: TEXT,
    sql: ([a], values) => {
      if (literalText(values[1]!) === "html") return replaceAll(a!, HTML);
      const json = `CAST(to_json(${a}) AS VARCHAR)`;
      return `substr(${json}, 2, length(${json}) - 2)`;
    },
  },
  unescapeText: {
    type: TEXT,
    sql: ([a], values) =>
      literalText(values[1]!) === "html"
        ? replaceAll(
            a!,
            [...HTML].reverse().map(([plain, escaped]) => [escaped, plain] as const),
          )
        : `(CASE WHEN json_valid('"' || ${a} || '"') THEN json_extract_string('"' || ${a} || '"', '$') END)`,
  },
} satisfies Partial<Record<Operation, Spelling>>;
