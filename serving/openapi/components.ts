import { type JsonSchema, text, whole } from "../http/describe.js";

/** RFC 9457, as `http/errors.ts` writes it. */
export const problemSchema: JsonSchema = {
  type: "object",
  required: ["type", "title", "status", "detail", "requestId"],
  properties: {
    type: text("Stable code of the error: `urn:fhir-lake:error:<module>/<code>`.", {
      pattern: "^urn:fhir-lake:error:",
    }),
    title: text("What kind of problem it is."),
    status: whole("The status of the answer."),
    detail: text("What to do about it."),
    requestId: text("Also in the header `X-Request-Id`, and in the server's log."),
  },
  description: "Some errors have further members, such as the name of the parameter.",
};

function header(description: string, schema: JsonSchema): JsonSchema {
  return { description, schema };
}

/** The headers of answers that come from a state of the lake. */
export const answerHeaderComponents: Readonly<Record<string, JsonSchema>> = {
  ETag: header("Strong: equal tags are equal bytes.", { type: "string" }),
  "X-Lake-Snapshot": header("The snapshot that was read.", { type: "integer" }),
  "X-Lake-As-Of": header("When it was committed.", { type: "string", format: "date-time" }),
  "X-Lake-Epoch": header("Position in the journal up to which live changes were read.", { type: "integer" }),
  "X-Lake-Lag-Seconds": header(
    "Every change acknowledged more than so many seconds before is in the answer; absent where that cannot be known.",
    { type: "integer" },
  ),
  "X-Lake-State": header("The worst of all sources.", {
    type: "string",
    enum: ["ok", "stale", "incomplete", "degraded", "pinned"],
  }),
  "X-Lake-Deletes-Verified": header("Whether all sources could tell what was deleted.", {
    type: "string",
    enum: ["true", "false"],
  }),
  "X-Lake-Sources": header("Each source with its state and age, worst first (RFC 9651).", { type: "string" }),
  "X-Row-Count": header("Rows in the body, where that is known before they are sent.", { type: "integer" }),
  "X-Row-Limit": header("The limit that applied.", { type: "integer" }),
  "X-Truncated": header("Whether there are more rows than the limit lets out.", {
    type: "string",
    enum: ["true", "false"],
  }),
  "X-Total-Count": header("All rows, where they were to be counted.", { type: "integer" }),
  Link: header('The next page: `<address>; rel="next"`.', { type: "string" }),
  "Server-Timing": header("Milliseconds by step.", { type: "string" }),
};
