/** A statement as `json_serialize_sql` writes it. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
/** A node of it. */
export type JsonObject = { readonly [key: string]: Json };

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value where it is text, else nothing. */
export function text(value: Json | undefined): string {
  return typeof value === "string" ? value : "";
}

/** JSON of a node without the places in the text that its parts come from: equal for equal meaning. */
export function meaningOf(node: Json | undefined): string {
  return JSON.stringify(node, (key, value: unknown) => (key === "query_location" ? undefined : value));
}
