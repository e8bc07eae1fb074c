/** The parameters of questions, as `/openapi.json` describes them: what stands here is what is accepted. */
import type { JsonSchema, QueryParameter } from "../http/describe.js";
import { groupParameters } from "./filter-grammar.js";

function parameter(name: string, description: string, schema: JsonSchema): QueryParameter {
  return { name, description, schema };
}

const stateDescriptions = {
  snapshot: parameter("snapshot", "Reads this snapshot.", { type: "integer", minimum: 0 }),
  as_of: parameter("as_of", "Reads the newest snapshot committed by then, which may not be to come.", {
    type: "string",
    format: "date-time",
  }),
  pin: parameter("pin", "Reads the state pinned under this name.", { type: "string" }),
  consistency: parameter(
    "consistency",
    "`merged` (the default) reads live changes since the snapshot too, `batch` the snapshot alone.",
    { type: "string", enum: ["merged", "batch"] },
  ),
  min_epoch: parameter("min_epoch", "Waits until changes up to this epoch are in the answer.", {
    type: "integer",
    minimum: 0,
  }),
} as const;

/** The name of a parameter that says which state is read. */
export type StateParameter = keyof typeof stateDescriptions;

/** All of them. */
export const stateParameters = Object.keys(stateDescriptions) as StateParameter[];

/** What parameters of the state mean: those named, or all. */
export function stateQuery(names: readonly StateParameter[] = stateParameters): QueryParameter[] {
  return names.map((name) => stateDescriptions[name]);
}

/** `_format=`, with the formats that can be had. */
export function formatQuery(formats: readonly string[]): QueryParameter {
  return parameter(
    "_format",
    "The format of the answer, before what `Accept` asks for. The end of the address (`.csv`) comes before both.",
    { type: "string", enum: formats },
  );
}

const flag: JsonSchema = { type: "string", enum: ["1", "0"] };

/** What can be asked of every view beside state, format and filters on its columns. */
export const questionQuery: readonly QueryParameter[] = [
  parameter("select", "Columns in this order, some under a new name: `a,new:old`.", { type: "string" }),
  parameter("order", "Columns that rows are put in order by: `a.desc,b.asc.nullsfirst`.", { type: "string" }),
  parameter("limit", "At most so many rows.", { type: "integer", minimum: 0 }),
  parameter("cursor", "The next page: take the address from the header `Link`.", { type: "string" }),
  parameter("count", "Counts all rows beyond the limit, in `X-Total-Count`.", {
    type: "string",
    enum: ["exact", "estimated"],
  }),
  parameter("age_at", "The day at which ages are taken, instead of that of the snapshot.", {
    type: "string",
    format: "date",
  }),
  ...groupParameters.map((name) =>
    parameter(name, `A group of filters: \`${name}=(a.gte.1,b.is.null)\`.`, {
      type: "string",
      pattern: "^\\(.+\\)$",
    }),
  ),
];

/** How rows are written. */
export const outputQuery: readonly QueryParameter[] = [
  parameter("null", "What stands for NULL in CSV and TSV, such as `NA`.", {
    type: "string",
    minLength: 1,
    maxLength: 16,
  }),
  parameter("excel", "CSV and TSV with a byte order mark, and no text that would be run as a formula.", flag),
  parameter("numbers", "JSON and NDJSON with 64-bit integers and decimals as strings.", {
    type: "string",
    enum: ["string"],
  }),
  parameter("trailer", "NDJSON with a last line that proves the answer whole.", flag),
  parameter("envelope", "JSON as an object with the rows and what is known of them.", flag),
];

/** Their names. */
export const outputParameters: readonly string[] = outputQuery.map(({ name }) => name);

/** The names of all parameters of a view that are not columns. A column of such a name is filtered by `and=(name.eq.value)`. */
export const viewParameters: readonly string[] = [
  ...[...questionQuery, ...stateQuery(), ...outputQuery].map(({ name }) => name),
  "_format",
];
