import type { ServingContext } from "../context.js";
import { outputParameters, stateParameters } from "../question/described.js";

/** Parameters that hold no values of persons: names, numbers and words of the grammar. */
const PLAIN: ReadonlySet<string> = new Set([
  "select",
  "order",
  "limit",
  "count",
  "age_at",
  ...stateParameters,
  "_format",
  ...outputParameters,
  "version",
  "from",
  "to",
  "by",
  "needed",
]);
const MOST_PARAMETERS = 100;
const plainText = /^[\w.,:+-]{1,200}$/;
const operatorPattern = /^((?:not\.)?(?:eq|neq|gte?|lte?|like|ilike|in|is|cs|ov))\./;

/** A parameter as the audit log has it: the operator of a filter stays, its value becomes a digest. */
function shown(name: string, value: string, digest: (value: string) => string): string {
  if (PLAIN.has(name) && plainText.test(value)) return value;
  const operator = operatorPattern.exec(value)?.[1];
  return operator === undefined
    ? `#${digest(value)}`
    : `${operator}.#${digest(value.slice(operator.length + 1))}`;
}

/** The parameters of a request's address, values as digests; where it asked in SQL, digests of that, and the views that it reads. */
export function auditQuestion(
  context: ServingContext,
  digest: (value: string) => string,
): Readonly<Record<string, readonly string[]>> {
  const found = new Map<string, string[]>();
  for (const [name, value] of [...new URL(context.req.url).searchParams].slice(0, MOST_PARAMETERS)) {
    const known = /^\w{1,64}$/.test(name) ? name : `#${digest(name)}`;
    found.set(known, [...(found.get(known) ?? []), shown(name, value, digest)]);
  }
  const statement = context.get("statement");
  if (statement === undefined) return Object.fromEntries(found);
  const { sql, parameters, views } = statement;
  const asked = { sql: [`#${digest(sql)}`], params: [`#${digest(parameters)}`], views };
  return { ...Object.fromEntries(found), ...asked };
}

/** The names in a request's address, as far as they are names; others become digests. */
export function auditTarget(
  context: ServingContext,
  digest: (value: string) => string,
): Readonly<Record<string, string>> {
  const given: Readonly<Record<string, string | undefined>> = context.req.param();
  return Object.fromEntries(
    Object.entries(given).map(([name, value = ""]) => [
      name,
      /^[\w.-]{1,64}$/.test(value) ? value : `#${digest(value)}`,
    ]),
  );
}

/** What a caller says that its question is for, where that is plain text. */
export function auditPurpose(context: ServingContext): string | undefined {
  const purpose = context.req.header("X-Lake-Purpose");
  return purpose !== undefined && /^[\w .,:/-]{1,100}$/.test(purpose) ? purpose : undefined;
}
