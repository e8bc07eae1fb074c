import {
  canonicalNumber,
  compareRows,
  ExactNumber,
  type ExactObject,
  type ExactValue,
  formatExactJson,
  type RunView,
  type ViewResult,
} from "../../src/compiler/conformance/index.js";
import { compileView } from "../../src/compiler/index.js";
import { isLakeError } from "../../src/kernel/index.js";
import {
  evaluateView,
  type OracleCell,
  type OracleNumber,
  type OracleResult,
  type OracleRow,
} from "../oracle/evaluate.js";
import { parseLosslessJson } from "../oracle/json.js";
import { UnspecifiedError } from "../oracle/values.js";

/** A view and the resources it runs over, as lines of JSON. */
export interface Pair {
  readonly view: unknown;
  readonly resources: readonly string[];
  /** What keys start with where the resources come from; nothing by default. */
  readonly keyPrefix?: string;
}

/** How compiler and oracle stand to each other on one pair. */
export type Agreement =
  | { readonly kind: "agree"; readonly rowCount: number }
  | { readonly kind: "agree-on-error"; readonly code: string }
  /** The compiler says that it does not do this; the oracle may. */
  | { readonly kind: "unsupported"; readonly message: string }
  | { readonly kind: "disagree"; readonly reason: string };

type OracleOutcome = OracleResult | { error: string; unspecified: boolean };

function askOracle(pair: Pair): OracleOutcome {
  try {
    return evaluateView(
      pair.view,
      pair.resources.map((text) => parseLosslessJson(text) as Record<string, unknown>),
      pair.keyPrefix,
    );
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { error: message, unspecified: error instanceof UnspecifiedError };
  }
}

function exact(cell: OracleCell): ExactValue {
  if (cell === null || typeof cell !== "object") return cell;
  if (Array.isArray(cell)) return (cell as readonly OracleCell[]).map(exact);
  return new ExactNumber((cell as OracleNumber).digits);
}

function exactRow(row: OracleRow): ExactObject {
  return Object.fromEntries(Object.entries(row).map(([name, cell]) => [name, exact(cell)]));
}

function matchesNumber(expected: OracleNumber, actual: ExactNumber): boolean {
  switch (expected.origin) {
    case "written":
      return expected.digits === actual.text;
    case "computed":
      return canonicalNumber(expected.digits) === canonicalNumber(actual.text);
    case "rounded": {
      const [a, b] = [Number(expected.digits), Number(actual.text)];
      return Math.abs(a - b) <= 1e-7 * Math.max(1, Math.abs(a));
    }
  }
}

function matchesCell(expected: OracleCell, actual: ExactValue | undefined): boolean {
  if (expected === null || typeof expected !== "object") return expected === actual;
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual) || actual.length !== expected.length) return false;
    return expected.every((cell: OracleCell, i) => matchesCell(cell, (actual as readonly ExactValue[])[i]));
  }
  return actual instanceof ExactNumber && matchesNumber(expected as OracleNumber, actual);
}

/** The first difference between two bags of rows, or undefined. Digits count only where the oracle vouches for them. */
function rowDifference(expected: readonly OracleRow[], actual: readonly ExactObject[]): string | undefined {
  const quick = compareRows(expected.map(exactRow), actual, "text");
  if (quick.missing.length === 0 && quick.unexpected.length === 0) return undefined;
  const left = [...quick.unexpected];
  const exactMissing = new Set(quick.missing.map(formatExactJson));
  const missing = expected.filter((row) => exactMissing.has(formatExactJson(exactRow(row))));
  const budget = new Map<string, number>();
  for (const row of quick.missing) {
    const key = formatExactJson(row);
    budget.set(key, (budget.get(key) ?? 0) + 1);
  }
  for (const row of missing) {
    const key = formatExactJson(exactRow(row));
    const remaining = budget.get(key) ?? 0;
    if (remaining === 0) continue;
    budget.set(key, remaining - 1);
    const at = left.findIndex((candidate) =>
      Object.entries(row).every(([name, cell]) => matchesCell(cell, candidate[name])),
    );
    if (at < 0)
      return `expected ${key}${left[0] === undefined ? "" : `, unexpected ${formatExactJson(left[0])}`}`;
    left.splice(at, 1);
  }
  return left.length === 0 ? undefined : `unexpected ${formatExactJson(left[0]!)}`;
}

function asText(cell: OracleCell): OracleCell {
  if (cell === null || typeof cell === "string") return cell;
  if (Array.isArray(cell)) return (cell as readonly OracleCell[]).map(asText);
  return typeof cell === "boolean" ? String(cell) : (cell as OracleNumber).digits;
}

/** Columns whose values may be of several FHIR types: in a table they are text. */
function textColumns(view: unknown): ReadonlySet<string> {
  const { columns } = compileView(view);
  return new Set(columns.filter(({ fhirType }) => fhirType === undefined).map(({ name }) => name));
}

function compareResults(
  pair: Pair,
  result: { columns: readonly string[]; rows: OracleRow[] },
  actual: ViewResult,
): Agreement {
  const mixed = textColumns(pair.view);
  const rows = result.rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([name, cell]) => [name, mixed.has(name) ? asText(cell) : cell]),
    ),
  );
  const expected = { ...result, rows };
  if (expected.columns.join() !== actual.columns.join()) {
    return { kind: "disagree", reason: `columns ${expected.columns.join()} but ${actual.columns.join()}` };
  }
  const difference = rowDifference(expected.rows, actual.rows);
  if (difference === undefined) return { kind: "agree", rowCount: expected.rows.length };
  const [wanted, came] = [expected.rows.length, actual.rows.length];
  const what = wanted === came ? "rows differ" : wanted > came ? "rows are missing" : "too many rows";
  return { kind: "disagree", reason: `${what}, ${wanted} expected, ${came} came; ${difference}` };
}

/**
 * Runs a pair both ways. Passes over pairs of more rows than `rowLimit`, and those on which the specification is silent.
 */
export async function checkAgreement(
  pair: Pair,
  runView: RunView,
  rowLimit: number,
): Promise<Agreement | { readonly kind: "skipped" }> {
  const expected = askOracle(pair);
  if ("rows" in expected ? expected.rows.length > rowLimit : expected.unspecified) return { kind: "skipped" };
  let actual: ViewResult;
  try {
    actual = await runView(pair.view, pair.resources);
  } catch (error) {
    if (!isLakeError(error)) return { kind: "disagree", reason: `a fault: ${String(error)}` };
    if (error.kind === "internal") {
      const cause = error.cause instanceof Error ? error.cause.message : "";
      return { kind: "disagree", reason: `${error.code}: ${cause.slice(0, 600)}` };
    }
    const deserved = "error" in expected || expected.droppedError;
    if (deserved) return { kind: "agree-on-error", code: error.code };
    if (error.kind === "unsupported") return { kind: "unsupported", message: error.message };
    return { kind: "disagree", reason: `${error.code}: ${error.message}` };
  }
  if ("error" in expected)
    return { kind: "disagree", reason: `oracle error '${expected.error}', but rows came` };
  return compareResults(pair, expected, actual);
}

/** The kind of a disagreement: equal for reasons that differ in data only. */
export function quarrelKind(reason: string): string {
  return reason.replace(/'[^']*'|"[^"]*"|[0-9]+|\{.*|LINE.*/gs, "").slice(0, 90);
}
