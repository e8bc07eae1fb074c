import { constantValue, expression } from "./expression.js";
import { parseLosslessJson } from "./json.js";
import { OracleError } from "./values.js";

/** A ViewDefinition checked and named, as plain data. */
export interface View {
  readonly resource: string;
  readonly constants: Readonly<Record<string, unknown>>;
  readonly where: readonly string[];
  readonly select: readonly Select[];
  /** Column names in output order. */
  readonly columns: readonly string[];
}

export interface Column {
  readonly name: string;
  readonly path: string;
  readonly type: string | undefined;
  readonly collection: boolean;
}

export type Iteration =
  | { readonly kind: "none" }
  | { readonly kind: "forEach" | "forEachOrNull"; readonly path: string }
  | { readonly kind: "repeat"; readonly paths: readonly string[] };

export interface Select {
  readonly iteration: Iteration;
  readonly columns: readonly Column[];
  readonly selects: readonly Select[];
  /** Empty when there is no unionAll. */
  readonly unionAll: readonly Select[];
}

type Json = Record<string, unknown>;

const sqlName = /^[A-Za-z][A-Za-z0-9_]*$/;

function listOf(value: unknown, what: string): Json[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new OracleError(`${what} is a list`);
  for (const item of value as unknown[]) {
    if (typeof item !== "object" || item === null || Array.isArray(item))
      throw new OracleError(`${what} holds objects`);
  }
  return value as Json[];
}

function checkedPath(value: unknown, constants: Json): string {
  const missing = [...expression(value).constants].filter(
    (name) => !(name in constants) && name !== "rowIndex",
  );
  if (missing.length > 0) throw new OracleError(`no constant %${missing[0]}`);
  return value as string;
}

function checkedName(value: unknown): string {
  if (typeof value !== "string" || !sqlName.test(value)) throw new OracleError("a name is an SQL name");
  return value;
}

function readConstants(value: unknown): Json {
  const constants: Json = {};
  for (const constant of listOf(value, "constant")) {
    const name = checkedName(constant["name"]);
    const key = Object.keys(constant).find((member) => /^value[A-Z]/.test(member));
    if (key === undefined) throw new OracleError(`constant ${name} has no value`);
    if (name in constants) throw new OracleError(`constant ${name} twice`);
    constants[name] = constantValue(key.slice("value".length), constant[key]);
  }
  return constants;
}

function readIteration(select: Json, constants: Json): Iteration {
  const present = ["forEach", "forEachOrNull", "repeat"].filter((kind) => select[kind] !== undefined);
  if (present.length > 1) throw new OracleError("two iterations in one select");
  const kind = present[0];
  if (kind === undefined) return { kind: "none" };
  if (kind !== "repeat") {
    return { kind: kind as "forEach" | "forEachOrNull", path: checkedPath(select[kind], constants) };
  }
  const paths = select["repeat"];
  if (!Array.isArray(paths)) throw new OracleError("repeat is a list");
  return { kind: "repeat", paths: paths.map((path: unknown) => checkedPath(path, constants)) };
}

function readColumn(column: Json, constants: Json): Column {
  const type = column["type"];
  return {
    name: checkedName(column["name"]),
    path: checkedPath(column["path"], constants),
    type: typeof type === "string" ? type : undefined,
    collection: column["collection"] === true,
  };
}

function readSelect(select: Json, constants: Json): Select {
  const result: Select = {
    iteration: readIteration(select, constants),
    columns: listOf(select["column"], "column").map((column) => readColumn(column, constants)),
    selects: listOf(select["select"], "select").map((nested) => readSelect(nested, constants)),
    unionAll: listOf(select["unionAll"], "unionAll").map((branch) => readSelect(branch, constants)),
  };
  const shapes = result.unionAll.map((branch) => columnsOf(branch));
  for (const shape of shapes) {
    if (shape.map((c) => c.name).join() !== shapes[0]!.map((c) => c.name).join()) {
      throw new OracleError("union branches have different columns");
    }
    shape.forEach((column, i) => {
      const other = shapes[0]![i]!;
      const differs = column.type !== undefined && other.type !== undefined && column.type !== other.type;
      if (differs || column.collection !== other.collection)
        throw new OracleError("union branches differ in type");
    });
  }
  return result;
}

/** The columns of a select in output order: own, nested, union. */
export function columnsOf(select: Select): Column[] {
  const union = select.unionAll[0];
  return [
    ...select.columns,
    ...select.selects.flatMap(columnsOf),
    ...(union === undefined ? [] : columnsOf(union)),
  ];
}

/** Reads and checks a ViewDefinition, given as text or parsed. Throws {@link OracleError} on what the specification calls an error. */
export function readView(given: unknown): View {
  const definition = typeof given === "string" ? parseLosslessJson(given) : given;
  if (typeof definition !== "object" || definition === null) throw new OracleError("a view is an object");
  const view = definition as Json;
  if (typeof view["resource"] !== "string") throw new OracleError("no resource");
  const constants = readConstants(view["constant"]);
  const select = listOf(view["select"], "select").map((part) => readSelect(part, constants));
  if (select.length === 0) throw new OracleError("no select");
  const columns = select.flatMap(columnsOf).map((column) => column.name);
  if (new Set(columns).size !== columns.length) throw new OracleError("a column name twice");
  const where = listOf(view["where"], "where").map((condition) => checkedPath(condition["path"], constants));
  return { resource: view["resource"], constants, where, select, columns };
}
