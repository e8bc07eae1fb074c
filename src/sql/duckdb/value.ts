import { type DataType, sameType } from "#plan";
import { stringLiteral } from "./quote.js";
import { jsonStructure, typeName } from "./type-name.js";

/** SQL text of an expression with its type. `constant` when the value is known whatever the data: NULL, true or false. */
export interface Value {
  readonly sql: string;
  readonly type: DataType;
  readonly constant?: null | boolean;
}

/** NULL of a type. */
export function nullValue(type: DataType): Value {
  return { sql: `CAST(NULL AS ${typeName(type)})`, type, constant: null };
}

/** A known truth value. */
export function known(value: boolean): Value {
  return { sql: value ? "TRUE" : "FALSE", type: { kind: "scalar", type: "boolean" }, constant: value };
}

/** True when the value is NULL whatever the data. */
export function isNull(value: Value): boolean {
  return value.constant === null;
}

/** JSON decoded to a type. Parts that the JSON lacks, or has in another form, are NULL. */
export function decodeJson(value: Value, type: DataType): Value {
  if (isNull(value)) return nullValue(type);
  if (type.kind === "json") return value;
  return { sql: `json_transform(${value.sql}, ${stringLiteral(JSON.stringify(jsonStructure(type)))})`, type };
}

type StructType = DataType & { readonly kind: "struct" };

function packStruct(value: Value, from: StructType, type: StructType, depth: number): string {
  const fields = [...type.fields].map(([name, wanted]) => {
    const own = from.fields.get(name);
    const field =
      own === undefined
        ? nullValue(wanted)
        : conform({ sql: `struct_extract(${value.sql}, ${stringLiteral(name)})`, type: own }, wanted, depth);
    return `${stringLiteral(name)}: ${field.sql}`;
  });
  return `CASE WHEN ${value.sql} IS NOT NULL THEN {${fields.join(", ")}} END`;
}

/**
 * JSON without members that are null: a struct has all fields that were ever seen, the resource only some. Quotes inside JSON strings
 * are escaped, so the patterns can only match members.
 */
function withoutNulls(json: string): string {
  const member = '"[A-Za-z_][A-Za-z0-9_]*":null';
  const inner = `regexp_replace(CAST(${json} AS VARCHAR), '${member},', '', 'g')`;
  return `CAST(regexp_replace(${inner}, ',?${member}', '', 'g') AS JSON)`;
}

/** The value as exactly this type: fields are added, dropped and put in order, JSON is decoded, structures become JSON. */
export function conform(value: Value, type: DataType, depth = 0): Value {
  if (isNull(value)) return nullValue(type);
  if (sameType(value.type, type)) return value;
  if (value.type.kind === "json") return decodeJson(value, type);
  if (type.kind === "json") return { sql: withoutNulls(`to_json(${value.sql})`), type };
  if (value.type.kind === "list" && type.kind === "list") {
    // Lambda variables of conversions never meet those of the plan, which start with `v`.
    const variable = `c${depth}`;
    const item = conform({ sql: variable, type: value.type.item }, type.item, depth + 1);
    return { sql: `list_transform(${value.sql}, lambda ${variable}: ${item.sql})`, type };
  }
  if (value.type.kind === "struct" && type.kind === "struct") {
    return { sql: packStruct(value, value.type, type, depth), type };
  }
  if (value.type.kind === "scalar" && type.kind === "scalar") {
    return { sql: `TRY_CAST(${value.sql} AS ${typeName(type)})`, type };
  }
  // A list where one value is expected, or the reverse, is data of another shape than FHIR defines.
  return nullValue(type);
}
