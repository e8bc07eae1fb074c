import { number } from "./format.js";
import type { Result } from "./results.js";

/** Above this share of the processors something else was at work. */
const QUIET = 0.1;

/** What makes the figures of a result weaker than they look, in words. */
export function doubts({ machine: { commit, busyBefore } }: Result): string[] {
  const found: string[] = [];
  if (busyBefore === undefined) found.push("whether other work was running is not recorded");
  else if (busyBefore > QUIET)
    found.push(`other work was running (${number(busyBefore * 100)} % of the processors before the start)`);
  if (commit === undefined || commit === "") found.push("the commit is not recorded");
  else if (commit.endsWith("+")) found.push("the sources were not those of the commit, but changed since");
  return found;
}

/** The doubts as a sentence in bold; empty without any. */
export function warning(result: Result): string {
  const against = doubts(result);
  return against.length === 0 ? "" : `**To be taken with care: ${against.join("; ")}.**`;
}

/** Where, when and with what a result was measured, in a line; what speaks against it in bold. */
export function circumstances(result: Result): string {
  const { machine: m, versions = {}, options = {} } = result;
  const parts = [
    m.date,
    m.cpu === undefined ? undefined : `${String(m.cores)} × ${m.cpu}, ${String(m.memoryGiB)} GiB`,
    m.system,
    m.distribution === undefined || m.distribution === "" ? undefined : m.distribution,
    m.node === undefined ? undefined : `Node.js ${m.node.replace(/^v/, "")}`,
    m.duckdb === undefined ? undefined : `DuckDB ${m.duckdb}`,
    m.fhirLake === undefined ? undefined : `fhir-lake ${m.fhirLake}`,
    m.commit === undefined || m.commit === "" ? undefined : `commit ${m.commit}`,
    m.busyBefore === undefined
      ? undefined
      : `${number(m.busyBefore * 100)} % of the processors busy before, load ${number(m.loadAfter ?? 0)} after`,
    ...Object.entries(versions).map(([name, text]) => `${name}: ${text}`),
    ...Object.entries(options).map(([name, text]) => `--${name}=${text}`),
  ];
  const line = `Measured ${parts.filter((part) => part !== undefined).join("; ")}.`;
  return `${line} ${warning(result)}`.trim();
}
