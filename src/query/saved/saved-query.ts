import type { SqlParameter } from "#duckdb";
import { didYouMean, LakeError } from "#kernel";

/** Types that parameters of saved queries are declared with. */
const types = ["text", "integer", "number", "boolean", "date", "timestamp"] as const;

/** One of them. */
export type SavedType = (typeof types)[number];

/** A declared parameter. */
export interface SavedParameter {
  readonly name: string;
  readonly type: SavedType;
  /** The value is a list of such values, written `a,b,"c,d"`. */
  readonly list: boolean;
  /** What stands for a value that is not given, as text; null for NULL; undefined where one must be given. */
  readonly default: string | null | undefined;
  readonly description: string;
}

/** A query in a file of its own. */
export interface SavedQuery {
  readonly name: string;
  /** The first sentence or line of the description. */
  readonly title: string;
  readonly description: string;
  readonly parameters: readonly SavedParameter[];
  /** The whole text of the file. */
  readonly sql: string;
}

/** Names that addresses of saved queries use for other things. */
export const reservedNames: readonly string[] = [
  "limit",
  "snapshot",
  "as_of",
  "pin",
  "consistency",
  "min_epoch",
  "null",
  "excel",
  "numbers",
  "trailer",
  "envelope",
];

const PARAMETER =
  /^@param\s+(?<name>\S+)\s+(?<type>[a-z]+)(?<list>\[\])?(?:\s*=\s*(?<value>"(?:[^"\\]|\\.)*"|[^\s:"][^:]*?))?(?:\s*:\s*(?<text>.*))?$/;

function invalid(file: string, line: number, message: string): LakeError {
  return new LakeError("invalid-input", "query/saved-invalid", `${file}, line ${line}: ${message}`, {
    details: { file, line },
  });
}

function unquoted(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replace(/\\(.)/g, "$1") : text;
}

function defaultOf(written: string | undefined): string | null | undefined {
  if (written === undefined) return undefined;
  return written === "null" ? null : unquoted(written);
}

function parseParameter(file: string, line: number, text: string): SavedParameter {
  const groups = PARAMETER.exec(text)?.groups;
  if (groups === undefined) {
    throw invalid(
      file,
      line,
      "a parameter is declared as `-- @param name type = default: description`; a default with : or spaces at its ends stands in double quotes.",
    );
  }
  const { name = "", type = "", list, value, text: description = "" } = groups;
  if (!/^[a-z][a-z0-9_]{0,62}$/.test(name)) {
    throw invalid(file, line, "names of parameters are lower-case letters, digits and underscores.");
  }
  if (reservedNames.includes(name))
    throw invalid(file, line, `the name '${name}' has a meaning in addresses already.`);
  const known = types.find((candidate) => candidate === type);
  if (known === undefined) {
    throw invalid(
      file,
      line,
      `there is no type '${type}'; the types are ${types.join(", ")}, and lists of them such as text[].${didYouMean(type, types)}`,
    );
  }
  const parameter = {
    name,
    type: known,
    list: list !== undefined,
    default: defaultOf(value),
    description: description.trim(),
  };
  if (typeof parameter.default === "string") {
    try {
      parameterValue(parameter, parameter.default);
    } catch {
      throw invalid(file, line, `the default of '${name}' is no ${type}.`);
    }
  }
  return parameter;
}

/** The comments at the beginning of a file, each with its line number from 1. */
function header(sql: string): { readonly line: number; readonly text: string }[] {
  const lines = sql.split(/\r?\n/);
  const end = lines.findIndex((line) => !/^\s*(?:--.*)?$/.test(line));
  return lines.slice(0, end < 0 ? lines.length : end).flatMap((line, index) => {
    const text = /^\s*--\s?(.*)$/.exec(line)?.[1];
    return text === undefined ? [] : [{ line: index + 1, text: text.trim() }];
  });
}

/** Reads a saved query; `file` is told in errors. Fails with `query/saved-invalid`, with file and line. */
export function parseSavedQuery(name: string, file: string, sql: string): SavedQuery {
  const parameters: SavedParameter[] = [];
  const description: string[] = [];
  for (const { line, text } of header(sql)) {
    if (!text.startsWith("@")) {
      description.push(text);
      continue;
    }
    if (!/^@param\b/.test(text)) throw invalid(file, line, "only @param is known here.");
    const parameter = parseParameter(file, line, text);
    if (parameters.some((other) => other.name === parameter.name)) {
      throw invalid(file, line, `the parameter '${parameter.name}' is declared twice.`);
    }
    parameters.push(parameter);
  }
  const whole = description.join("\n").trim();
  if (whole === "") throw invalid(file, 1, "a saved query begins with a comment that says what it answers.");
  return { name, title: whole.split("\n")[0]!, description: whole, parameters, sql };
}

const formats: Readonly<Record<SavedType, readonly [RegExp, string]>> = {
  text: [/^/, "a text"],
  integer: [/^-?\d{1,38}$/, "a whole number such as 42"],
  number: [/^-?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?$/, "a number such as 1.5"],
  boolean: [/^(?:true|false)$/, "true or false"],
  date: [/^\d{4}-\d{2}-\d{2}$/, "a day such as 2026-01-31"],
  timestamp: [
    /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:\d{2})$/,
    "an instant such as 2026-01-31T12:00:00Z (+ as %2B)",
  ],
};

function isDay(text: string): boolean {
  const day = new Date(`${text.slice(0, 10)}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text.slice(0, 10));
}

function scalarValue({ name, type }: SavedParameter, text: string): SqlParameter {
  const [pattern, expected] = formats[type];
  const dated = type === "date" || type === "timestamp";
  if (!pattern.test(text) || (dated && !isDay(text))) {
    throw new LakeError("invalid-input", "query/sql-parameter", `The parameter '${name}' is ${expected}.`, {
      details: { parameter: name },
    });
  }
  if (type !== "number") return { kind: type, text };
  return { kind: /[eE]/.test(text) ? "double" : "decimal", text };
}

/** The items of `a,b,"c,d"`. */
function itemsOf(text: string): string[] {
  const items = text.match(/"(?:[^"\\]|\\.)*"(?=,|$)|[^,]+|(?<=,)(?=,|$)|^(?=,)/g) ?? [];
  return items.map(unquoted);
}

/** A given text as a value to bind. Fails with `query/sql-parameter`, without repeating the text. */
export function parameterValue(parameter: SavedParameter, text: string): SqlParameter {
  if (!parameter.list) return scalarValue(parameter, parameter.type === "text" && text === '""' ? "" : text);
  return { kind: "list", items: itemsOf(text).map((item) => scalarValue(parameter, item)) };
}

/** The parameters that have to be given and are not. A text of no characters is none; the empty text is written `""`. */
export function missingParameters(
  query: SavedQuery,
  given: Readonly<Record<string, string>>,
): readonly SavedParameter[] {
  return query.parameters.filter(
    (parameter) => parameter.default === undefined && (given[parameter.name] ?? "") === "",
  );
}

/**
 * What a saved query's parameters are bound to. Fails with `query/sql-parameter` where a name is unknown, a value is missing, or no value of its type.
 */
export function savedParameters(
  query: SavedQuery,
  given: Readonly<Record<string, string>>,
): Record<string, SqlParameter> {
  const names = query.parameters.map(({ name }) => name);
  const unknown = Object.keys(given).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    const hint = didYouMean(unknown, names);
    throw new LakeError(
      "invalid-input",
      "query/sql-parameter",
      `The query '${query.name}' has no parameter '${unknown.slice(0, 64)}'.${hint}`,
      {
        details: { parameter: unknown.slice(0, 64), known: names },
      },
    );
  }
  const [missing] = missingParameters(query, given);
  if (missing !== undefined) {
    throw new LakeError(
      "invalid-input",
      "query/sql-parameter",
      `Give the parameter '${missing.name}', ${formats[missing.type][1]}.`,
      {
        details: { parameter: missing.name },
      },
    );
  }
  return Object.fromEntries(
    query.parameters.map((parameter) => {
      const text = (given[parameter.name] ?? "") === "" ? parameter.default : given[parameter.name];
      return [
        parameter.name,
        text === null || text === undefined ? { kind: "null" } : parameterValue(parameter, text),
      ];
    }),
  );
}
