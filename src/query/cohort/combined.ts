import type { CombinedCohort } from "./definition.js";
import type { Given } from "./statement.js";

/**
 * The persons of several cohorts put together, each given as a SELECT of `person, low, high, exit`. A person who is in several has the
 * index of the first of them. In the mask, bit `i` says that part `i` holds the person, but for the later parts of a difference that it
 * does not.
 */
export function combine(operation: CombinedCohort["operation"], parts: readonly string[]): Given {
  const all = parts.map((part, index) => `SELECT ${index} AS part, * FROM (${part})`).join(" UNION ALL ");
  const bits = parts.map((_, index) => {
    const inside = `bool_or(part = ${index})`;
    const holds = operation === "minus" && index > 0 ? `NOT ${inside}` : inside;
    return `(CASE WHEN ${holds} THEN ${2n ** BigInt(index)} ELSE 0 END)::BIGINT`;
  });
  const first = "arg_min({'low': low, 'high': high, 'exit': exit}, part)";
  return {
    sql: `SELECT person, x.low AS low, x.high AS high, x.exit AS exit, mask FROM (SELECT person, ${first} AS x, ${bits.join(" + ")} AS mask FROM (${all}) GROUP BY person)`,
    isMember: operation === "union" ? "true" : `mask = ${2n ** BigInt(parts.length) - 1n}`,
  };
}
