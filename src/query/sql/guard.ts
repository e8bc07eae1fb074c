/**
 * Says whether a user's SQL may run, by walking the syntax tree that DuckDB's own parser makes of it. There is no
 * second parser that could disagree with the engine, and everything that is not known to be harmless is refused:
 * node kinds, tables, table functions and functions are all allow-lists.
 */
import { didYouMean, LakeError } from "#kernel";
import { allowedFunctions, allowedTableFunctions } from "./function-list.js";
import { isObject, type Json, type JsonObject, text } from "./syntax-tree.js";

/** What a statement that may run needs. */
export interface StatementNeeds {
  /** The views that it reads, in lower case. */
  readonly views: ReadonlySet<string>;
  /** The parameters that it uses, in lower case, with the type that the statement casts each to where it does. */
  readonly parameters: ReadonlyMap<string, JsonObject | undefined>;
}

const queryNodes = new Set(["SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"]);
const tableNodes = new Set([
  "EMPTY",
  "BASE_TABLE",
  "SUBQUERY",
  "JOIN",
  "EXPRESSION_LIST",
  "TABLE_FUNCTION",
  "SHOW_REF",
]);
const otherNodes = new Set([
  "LIMIT_MODIFIER",
  "LIMIT_PERCENT_MODIFIER",
  "ORDER_MODIFIER",
  "DISTINCT_MODIFIER",
  "ORDER_DEFAULT",
  "ASCENDING",
  "DESCENDING",
]);
const expressionClasses = new Set([
  "BETWEEN",
  "CASE",
  "CAST",
  "COLLATE",
  "COLUMN_REF",
  "COMPARISON",
  "CONJUNCTION",
  "CONSTANT",
  "FUNCTION",
  "LAMBDA",
  "LAMBDA_REF",
  "OPERATOR",
  "PARAMETER",
  "POSITIONAL_REFERENCE",
  "STAR",
  "SUBQUERY",
  "WINDOW",
]);

const MAX_DEPTH = 2_000;

function refused(message: string): LakeError {
  return new LakeError("invalid-input", "query/sql-refused", message);
}

/** Walks one statement; `scope` holds the names of the common table expressions visible at a place. */
class Walk {
  readonly tables = new Set<string>();
  readonly parameters = new Map<string, JsonObject | undefined>();
  private readonly views: ReadonlySet<string>;

  constructor(views: ReadonlySet<string>) {
    this.views = views;
  }

  visit(value: Json, scope: ReadonlySet<string>, depth: number): void {
    if (depth > MAX_DEPTH) throw refused("The statement is nested too deeply; simplify it.");
    if (Array.isArray(value)) {
      for (const item of value as readonly Json[]) this.visit(item, scope, depth + 1);
      return;
    }
    if (!isObject(value)) return;
    const inner = this.enter(value, scope, depth);
    if (inner === undefined) return;
    for (const [key, member] of Object.entries(value)) {
      // Types and constants hold no names that are looked up; the map of a WITH clause was walked by `enter`.
      if (key === "cast_type" || key === "expected_types" || key === "cte_map") continue;
      this.visit(member, inner, depth + 1);
    }
  }

  /** Checks an object and returns the scope for its members, or undefined when they need no walk. */
  private enter(
    node: JsonObject,
    scope: ReadonlySet<string>,
    depth: number,
  ): ReadonlySet<string> | undefined {
    if (typeof node["class"] === "string") return this.expression(node, scope);
    if (typeof node["type"] !== "string") return scope;
    const type = node["type"];
    if (queryNodes.has(type)) return this.withClause(node, scope, depth);
    if (tableNodes.has(type)) return this.table(type, node, scope, depth);
    if (otherNodes.has(type)) return scope;
    throw refused(
      "The statement uses a construct that is not allowed here; only plain SELECT statements are.",
    );
  }

  private expression(node: JsonObject, scope: ReadonlySet<string>): ReadonlySet<string> | undefined {
    const kind = text(node["class"]);
    if (!expressionClasses.has(kind)) {
      throw refused("The statement uses an expression that is not allowed here.");
    }
    if (kind === "CONSTANT" || kind === "COLUMN_REF") return undefined;
    if (kind === "PARAMETER") this.parameter(node, undefined);
    if (kind === "CAST") this.parameter(node["child"], node["cast_type"]);
    if (kind === "FUNCTION" || kind === "WINDOW") this.function(node, allowedFunctions);
    return scope;
  }

  /** Notes a parameter, if that is what the node is. */
  private parameter(node: Json | undefined, castType: Json | undefined): void {
    if (!isObject(node) || node["class"] !== "PARAMETER") return;
    const name = text(node["identifier"]).toLowerCase();
    const known = this.parameters.get(name);
    this.parameters.set(name, known ?? (isObject(castType) ? castType : undefined));
  }

  private function(node: JsonObject, allowed: ReadonlySet<string>): void {
    const name = text(node["function_name"]).toLowerCase();
    // The parser itself writes `main` for sugar such as {'a': 1}; all built-in functions live there.
    const foreign =
      !["", "main"].includes(text(node["schema"])) || !["", "system"].includes(text(node["catalog"]));
    if (foreign || !allowed.has(name)) {
      throw refused(`The function '${name.slice(0, 64)}' is not allowed here.${didYouMean(name, allowed)}`);
    }
  }

  private table(
    type: string,
    node: JsonObject,
    scope: ReadonlySet<string>,
    depth: number,
  ): ReadonlySet<string> | undefined {
    if (type === "BASE_TABLE") this.baseTable(node, scope);
    if (type === "SHOW_REF") this.show(node);
    if (type !== "TABLE_FUNCTION") return scope;
    const call = node["function"];
    if (!isObject(call) || call["class"] !== "FUNCTION")
      throw refused("A table function is called in an unknown way.");
    this.function(call, allowedTableFunctions);
    this.visit(call["children"] ?? null, scope, depth + 1);
    return undefined;
  }

  private baseTable(node: JsonObject, scope: ReadonlySet<string>): void {
    const name = text(node["table_name"]);
    const qualified = text(node["schema_name"]) !== "" || text(node["catalog_name"]) !== "";
    if (!qualified && scope.has(name.toLowerCase())) return;
    if (qualified || !this.views.has(name.toLowerCase())) {
      throw new LakeError(
        "not-found",
        "query/unknown-view",
        `There is no view named '${name.slice(0, 64)}'.${didYouMean(name, this.views)}`,
        { details: { views: [...this.views] } },
      );
    }
    this.tables.add(name.toLowerCase());
  }

  /** DESCRIBE and SUMMARIZE hold the query they describe, which is walked like any other. */
  private show(node: JsonObject): void {
    if (isObject(node["query"])) return;
    throw refused(
      `Only DESCRIBE and SUMMARIZE of a view are allowed here; the views are ${[...this.views].join(", ")}.`,
    );
  }

  /** A WITH entry sees the entries before it, and itself only when it is recursive: just as the engine resolves names. */
  private withClause(node: JsonObject, scope: ReadonlySet<string>, depth: number): ReadonlySet<string> {
    const map = node["cte_map"];
    const entries = isObject(map) && Array.isArray(map["map"]) ? (map["map"] as readonly Json[]) : [];
    const inner = new Set(scope);
    for (const entry of entries) {
      if (!isObject(entry)) throw refused("The WITH clause could not be read.");
      const name = text(entry["key"]).toLowerCase();
      this.visit(entry["value"] ?? null, inner, depth + 1);
      inner.add(name);
    }
    // A recursive query names itself on its own node, and its parts see that name.
    const own = text(node["ctename"]) || text(node["cte_name"]);
    if (own !== "") inner.add(own.toLowerCase());
    return inner;
  }
}

/**
 * What one SELECT statement needs. `serialized` is what `json_serialize_sql` made of it.
 * Fails with `query/sql-invalid` (does not parse), `query/sql-refused` or `query/unknown-view`.
 */
export function checkStatement(serialized: JsonObject, views: Iterable<string>): StatementNeeds {
  if (serialized["error"] !== false) {
    if (serialized["error_type"] === "not implemented")
      throw refused("Only one SELECT statement is allowed here.");
    throw new LakeError(
      "invalid-input",
      "query/sql-invalid",
      `The SQL does not parse: ${text(serialized["error_message"])}.`,
      { details: { position: text(serialized["position"]) } },
    );
  }
  const statements = serialized["statements"];
  if (!Array.isArray(statements) || statements.length !== 1) {
    throw refused("Give exactly one SELECT statement.");
  }
  const walk = new Walk(new Set([...views].map((name) => name.toLowerCase())));
  walk.visit((statements as readonly Json[])[0]!, new Set(), 0);
  return { views: walk.tables, parameters: walk.parameters };
}
