import type { JsonSchema, RouteAnswer } from "./describe.js";
import { type AnswerFormat, contentType } from "./negotiate.js";

/** How rows look in the formats that JSON Schema can describe; the others carry their own schema, or are text. */
function bodyOf(format: AnswerFormat, row: JsonSchema): JsonSchema {
  switch (format) {
    case "json":
      return {
        description: "An array of rows; with envelope=1 an object that holds it as `rows`.",
        type: ["array", "object"],
        items: row,
      };
    case "parquet":
    case "arrow":
    case "arrows":
    case "xlsx":
      return {};
    default:
      return { type: "string" };
  }
}

/** An answer of rows in any of these formats; `row` describes one as a JSON object. */
export function rowsAnswer(
  description: string,
  formats: readonly AnswerFormat[],
  row: JsonSchema = { type: "object" },
): RouteAnswer {
  const content = Object.fromEntries(
    formats.map((format) => [contentType(format).split(";")[0]!, bodyOf(format, row)]),
  );
  return { status: 200, description, content, fresh: true };
}
