/** What a route says of itself in `/openapi.json`: its parameters, its body and its answers. */

/** A JSON Schema (draft 2020-12), which OpenAPI 3.1 uses for everything that has a type. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** A parameter of a query. */
export interface QueryParameter {
  readonly name: string;
  readonly description: string;
  readonly schema: JsonSchema;
  /** Without it the request is refused. Default false. */
  readonly required?: boolean;
}

/** A body that a route reads. */
export interface RequestBody {
  readonly description: string;
  readonly contentType: string;
  readonly schema: JsonSchema;
  readonly example?: unknown;
}

/** The answer of a route when all went well. */
export interface RouteAnswer {
  readonly status: number;
  readonly description: string;
  /** By media type; empty for an answer without a body. */
  readonly content: Readonly<Record<string, JsonSchema>>;
  /** True when it carries the headers that say how fresh it is. */
  readonly fresh: boolean;
  /** Another status that says the same with the same body, such as 201 for the first of several. */
  readonly otherStatus?: number;
}

/** A text, such as a name. */
export function text(description: string, more: JsonSchema = {}): JsonSchema {
  return { type: "string", description, ...more };
}

/** A whole number. */
export function whole(description: string, more: JsonSchema = {}): JsonSchema {
  return { type: "integer", description, ...more };
}

/** `true` or `false`. */
export function truth(description: string): JsonSchema {
  return { type: "boolean", description };
}

/** An ISO 8601 instant. */
export function instant(description: string): JsonSchema {
  return text(description, { format: "date-time" });
}

/** The same type, or null. */
export function orNull(schema: JsonSchema): JsonSchema {
  const { type } = schema;
  return typeof type === "string"
    ? { ...schema, type: [type, "null"] }
    : { anyOf: [schema, { type: "null" }] };
}

/** An array. */
export function list(items: JsonSchema, description?: string): JsonSchema {
  return { type: "array", items, ...(description === undefined ? {} : { description }) };
}

/** An object with all of these properties, and perhaps more. */
export function object(properties: Readonly<Record<string, JsonSchema>>, description?: string): JsonSchema {
  return {
    type: "object",
    required: Object.keys(properties),
    properties,
    ...(description === undefined ? {} : { description }),
  };
}

/** Anything that JSON can say. */
export function anything(description: string): JsonSchema {
  return { description };
}

interface AnswerOptions {
  readonly status?: number;
  readonly fresh?: boolean;
}

/** An answer in JSON. */
export function jsonAnswer(
  description: string,
  schema: JsonSchema,
  { status = 200, fresh = false }: AnswerOptions = {},
): RouteAnswer {
  return { status, description, content: { "application/json": schema }, fresh };
}

/** An answer as text of one media type, such as a page. */
export function textAnswer(description: string, mediaType: string): RouteAnswer {
  return { status: 200, description, content: { [mediaType]: { type: "string" } }, fresh: false };
}

/** An answer that has nothing to say beyond its status. */
export function emptyAnswer(description: string, status = 204): RouteAnswer {
  return { status, description, content: {}, fresh: false };
}
