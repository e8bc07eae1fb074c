import type { SqlParameter } from "#duckdb";
import { ExactNumber, type ExactValue, LakeError } from "#kernel";

const MOST_PARAMETERS = 1_000;
const MOST_ITEMS = 100_000;

function bad(name: string, message: string): LakeError {
  return new LakeError("invalid-input", "query/sql-parameter", message, {
    details: { parameter: name.slice(0, 64) },
  });
}

function numberOf({ text }: ExactNumber): SqlParameter {
  if (/[eE]/.test(text)) return { kind: "double", text };
  return { kind: text.includes(".") ? "decimal" : "integer", text };
}

function parameterOf(name: string, value: ExactValue, inList = false): SqlParameter {
  if (value === null) return { kind: "null" };
  if (value instanceof ExactNumber) return numberOf(value);
  if (typeof value === "string") return { kind: "text", text: value };
  if (typeof value === "boolean") return { kind: "boolean", text: String(value) };
  if (!Array.isArray(value) || inList) {
    throw bad(
      name,
      `The parameter '${name.slice(0, 64)}' is neither a text, number, boolean or null nor a list of them.`,
    );
  }
  const items = value as readonly ExactValue[];
  if (items.length > MOST_ITEMS)
    throw bad(name, `The parameter '${name.slice(0, 64)}' has more than ${MOST_ITEMS} items.`);
  return { kind: "list", items: items.map((item) => parameterOf(name, item, true)) };
}

/**
 * Parameters from JSON: an object by name, or an array for `$1`, `$2`, …. A number is what a literal of the same digits is in SQL (`1.10` is a
 * decimal, `1e3` a double), text is text, a list is a list. Fails with `query/sql-parameter`.
 */
export function sqlParameters(value: ExactValue): Record<string, SqlParameter> {
  if (typeof value !== "object" || value === null || value instanceof ExactNumber) {
    throw bad(
      "",
      'Parameters are an object such as {"since": "2026-01-01"}, or an array for $1, $2 and so on.',
    );
  }
  const entries = Array.isArray(value)
    ? (value as readonly ExactValue[]).map((item, index) => [String(index + 1), item] as const)
    : Object.entries(value as { readonly [name: string]: ExactValue });
  if (entries.length > MOST_PARAMETERS) throw bad("", `There are more than ${MOST_PARAMETERS} parameters.`);
  return Object.fromEntries(
    entries.map(([name, item]) => {
      if (!/^\w{1,64}$/.test(name))
        throw bad(name, "Names of parameters are letters, digits and underscores.");
      return [name, parameterOf(name, item)];
    }),
  );
}
