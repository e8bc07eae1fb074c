import type { Fault, FaultMatch, FaultRule } from "./rule.js";

interface ActiveRule {
  readonly rule: FaultRule;
  readonly pattern: RegExp | undefined;
  seen: number;
  struck: number;
  /** The answer of the matching request before, for stale pages. */
  previous: Buffer | undefined;
}

/** A fault that strikes a request, with a place to keep answers for stale pages. */
export interface Strike {
  readonly fault: Fault;
  readonly state: { previous: Buffer | undefined };
}

/** The faults that are to happen. Rules stay until they are cleared. */
export class FaultScript {
  #rules: ActiveRule[] = [];

  /** Adds rules. */
  add(...rules: readonly FaultRule[]): void {
    for (const rule of rules) {
      const pattern = rule.match.pattern === undefined ? undefined : new RegExp(rule.match.pattern);
      this.#rules.push({ rule, pattern, seen: 0, struck: 0, previous: undefined });
    }
  }

  /** Drops all rules. */
  clear(): void {
    this.#rules = [];
  }

  /** How often each rule struck, in the order they were added. */
  struck(): number[] {
    return this.#rules.map((active) => active.struck);
  }

  /** The faults for a request, in the order of the rules; counts the request for every rule it matches. */
  strikes(request: {
    readonly method: string;
    readonly path: string;
    readonly query: string;
    readonly origin: "fhir" | "files";
  }): { readonly strikes: Strike[]; readonly watching: Strike[] } {
    const strikes: Strike[] = [];
    const watching: Strike[] = [];
    for (const active of this.#rules) {
      if (!matches(active.rule.match, active.pattern, request)) continue;
      active.seen++;
      const strike = { fault: active.rule.fault, state: active };
      if (active.rule.fault.kind === "stale-page") watching.push(strike);
      if (!isDue(active)) continue;
      active.struck++;
      strikes.push(strike);
    }
    return { strikes, watching };
  }
}

function matches(
  match: FaultMatch,
  pattern: RegExp | undefined,
  request: { method: string; path: string; query: string; origin: string },
): boolean {
  return (
    (match.method === undefined || match.method === request.method) &&
    (match.origin === undefined || match.origin === request.origin) &&
    (match.path === undefined || match.path === request.path) &&
    (pattern === undefined || pattern.test(`${request.path}${request.query}`))
  );
}

function isDue(active: ActiveRule): boolean {
  const occurrences = active.rule.occurrences;
  if (occurrences === undefined) return true;
  if ("from" in occurrences)
    return active.seen >= occurrences.from && active.seen <= (occurrences.to ?? Number.POSITIVE_INFINITY);
  return occurrences.includes(active.seen);
}
