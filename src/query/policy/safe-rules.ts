import { parseColumnType } from "#duckdb";
import type { ViewColumn } from "../catalog.js";
import type { ColumnRule } from "./policy.js";

/** What a rule is chosen by. */
export interface ClassedColumn {
  readonly column: ViewColumn;
  /** Its class of personal data (viewdefinitions/README.md); undefined where the ViewDefinition says nothing, or is not there. */
  readonly phi: string | undefined;
  /** True when the view says whose its rows are. */
  readonly hasPatient: boolean;
}

/** Text that may stand as it is although it says something about a person: few values, each of many people. */
const COMMON_TEXT: ReadonlySet<string> = new Set([
  "gender",
  "birth_sex",
  "language",
  "marital_status",
  "marital_status_code",
  "race",
  "race_code",
  "ethnicity",
  "ethnicity_code",
  "state",
  "country",
]);

/** Numbers that say more of a person than a number should: where somebody is, and ages beyond 89. */
const TELLING_NUMBER = /(?:^|_)(?:latitude|longitude|age)(?:_|$)/;

/** True for a column that holds keys of resources, by which views are joined. */
export function isKey({ name, path }: Pick<ViewColumn, "name" | "path">): boolean {
  return name.endsWith("_key") || /getRe(?:source|ference)Key\(/.test(path);
}

function dateRule({ column, hasPatient }: ClassedColumn): ColumnRule {
  const { kind } = parseColumnType(column.sqlType);
  if (kind !== "date" && kind !== "timestamp" && kind !== "text") return "drop";
  return hasPatient ? "shift" : "year";
}

/**
 * The rule that de-identification gives a column: keys are hashed, direct identifiers and free text go, dates move with their person or, where
 * rows belong to nobody, shrink to years, postal codes keep three digits. What nobody classed goes.
 */
export function safeRule(classed: ClassedColumn): ColumnRule {
  const { column, phi } = classed;
  const { kind } = parseColumnType(column.sqlType);
  if (isKey(column)) return kind === "text" ? "hash" : "drop";
  if (column.name === "id" || column.path === "id") return "drop";
  if (phi === "none") return "keep";
  if (phi === "date") return dateRule(classed);
  if (phi !== "quasi-identifier") return "drop";
  if (column.name === "postal_code") return kind === "text" ? "zip3" : "drop";
  if (COMMON_TEXT.has(column.name)) return "keep";
  const isPlain = ["boolean", "integer", "decimal", "double", "float"].includes(kind);
  return isPlain && !TELLING_NUMBER.test(column.name) ? "keep" : "drop";
}
