import { resultFormats, type SavedParameter, type SavedQuery } from "#query";
import {
  anything,
  emptyAnswer,
  instant,
  type JsonSchema,
  jsonAnswer,
  list,
  object,
  orNull,
  type QueryParameter,
  type RequestBody,
  text,
  whole,
} from "../http/describe.js";
import { answerFormats } from "../http/negotiate.js";
import type { Route, RouteVariant } from "../http/routes.js";
import { rowsAnswer } from "../http/row-answer.js";
import { formatQuery, outputQuery, stateQuery } from "../question/described.js";

type Described = Omit<Route, "variants">;

const stateAndOutput: readonly QueryParameter[] = [...stateQuery(), ...outputQuery];

const statementBody: RequestBody = {
  description: "One SELECT over the views; docs/sql.md says what it may use.",
  contentType: "application/json",
  schema: {
    type: "object",
    required: ["sql"],
    properties: {
      sql: text("The statement; parameters stand in it as `$name`."),
      params: {
        type: ["object", "array"],
        description: "Values of the parameters by name, or in their order for `$1` and `?`.",
      },
      format: { type: "string", enum: resultFormats },
      limit: whole("At most so many rows.", { minimum: 0 }),
    },
    additionalProperties: false,
  },
  example: { sql: "SELECT gender, count(*) AS n FROM patient_demographics GROUP BY gender ORDER BY gender" },
};

const jobSchema = object({
  id: text("Id of the job."),
  state: text("`queued`, `running`, `done`, `failed` or `gone`."),
  query: text("Name of the saved query, or `answer`."),
  format: text("Format of the result."),
  createdAt: instant("When it was asked for."),
  endedAt: orNull(instant("When it ended.")),
  expiresAt: orNull(instant("When its result goes.")),
  rows: whole("Rows so far."),
  expectedRows: orNull(whole("How many there may be.")),
  bytes: whole("Bytes so far."),
  progress: orNull({ type: "number", description: "The share that is done." }),
});

const runningSchema = object({
  id: text("Id of the statement."),
  state: text("`preparing`, `running`, `done`, `failed` or `cancelled`."),
  rows: whole("Rows so far."),
  expectedRows: orNull(whole("How many there may be.")),
  startedAt: instant("When it began."),
  durationMs: whole("How long it has run, or ran."),
});

const job = { job: "Id of the job." };
const asked = "The first answer of a statement that was asked for with `Prefer: respond-async` is 202.";

/** What the routes of SQL and of saved queries are. */
export const queryDescriptions = {
  run: {
    method: "POST",
    path: "/sql",
    permission: "sql.run",
    summary: "Run one SELECT over the views",
    query: [...stateAndOutput, formatQuery(resultFormats)],
    body: statementBody,
    answer: { ...rowsAnswer(`The rows of the statement. ${asked}`, resultFormats), otherStatus: 202 },
  },
  list: {
    method: "GET",
    path: "/queries",
    permission: "metadata.read",
    summary: "The saved queries",
    query: [formatQuery(["json", "html"])],
    answer: jsonAnswer(
      "All saved queries with their parameters.",
      object({
        queries: list(
          object({
            name: text("Name of the query."),
            title: text("What it answers."),
            parameters: list(anything("A parameter: name, type, description, default.")),
            href: text("Its address."),
          }),
        ),
      }),
    ),
  },
  show: {
    method: "GET",
    path: "/queries/:query",
    permission: "views.read",
    summary: "How far a running statement is",
    params: { query: "Id of the statement, as `X-Query-Id` has it; or the name of a saved query." },
    query: [],
    answer: jsonAnswer("What is known of the statement.", runningSchema),
  },
  cancel: {
    method: "DELETE",
    path: "/queries/:query",
    permission: "views.read",
    summary: "Cancel a running statement",
    params: { query: "Id of the statement." },
    query: [],
    answer: jsonAnswer("It ends at once.", runningSchema),
  },
} as const satisfies Readonly<Record<string, Described>>;

/** What the routes of jobs are. */
export const jobDescriptions = {
  start: {
    method: "POST",
    path: "/jobs",
    permission: "sql.run",
    summary: "Run one SELECT and keep its answer to be fetched",
    query: [...stateAndOutput, formatQuery(resultFormats)],
    body: statementBody,
    answer: jsonAnswer("The job; its address is in `Location`.", jobSchema, { status: 202 }),
  },
  list: {
    method: "GET",
    path: "/jobs",
    permission: "sql.run",
    summary: "The jobs",
    query: [],
    answer: jsonAnswer("All jobs that are remembered.", object({ jobs: list(jobSchema) })),
  },
  show: {
    method: "GET",
    path: "/jobs/:job",
    permission: "views.read",
    summary: "How far a job is",
    params: job,
    query: [],
    answer: jsonAnswer("What is known of the job.", jobSchema),
  },
  result: {
    method: "GET",
    path: "/jobs/:job/result",
    permission: "views.read",
    summary: "The answer of a job, whole or in parts",
    params: job,
    query: [],
    answer: {
      ...rowsAnswer("The rows; with `Range` a part of them, as 206.", resultFormats),
      otherStatus: 206,
    },
  },
  remove: {
    method: "DELETE",
    path: "/jobs/:job",
    permission: "views.read",
    summary: "Cancel a job, or remove its result",
    params: job,
    query: [],
    answer: emptyAnswer("It is gone."),
  },
} as const satisfies Readonly<Record<string, Described>>;

const valueTypes: Readonly<Record<string, JsonSchema>> = {
  integer: { type: "integer" },
  number: { type: "number" },
  boolean: { type: "boolean" },
  date: { type: "string", format: "date" },
};

function savedParameter({
  name,
  type,
  list: isList,
  description,
  default: value,
}: SavedParameter): QueryParameter {
  const schema = isList
    ? { type: "string", description: `A list: \`a,b,"c,d"\`.` }
    : (valueTypes[type] ?? { type: "string" });
  return {
    name,
    description: description === "" ? name : description,
    schema: { ...schema, ...(value === undefined || value === null ? {} : { examples: [value] }) },
    required: value === undefined,
  };
}

/** An address for each saved query, with its own parameters, and the one for statements that run. */
export function savedVariants(queries: readonly SavedQuery[]): readonly RouteVariant[] {
  const { path, summary, query, answer } = queryDescriptions.show;
  const saved = [...queries].sort((a, b) => (a.name < b.name ? -1 : 1));
  return [
    ...saved.map((one) => ({
      path: `/queries/${one.name}`,
      summary: one.title,
      description: one.description,
      query: [
        ...one.parameters.map(savedParameter),
        ...stateAndOutput,
        { name: "limit", description: "At most so many rows.", schema: { type: "integer", minimum: 0 } },
        formatQuery(answerFormats),
      ],
      answer: rowsAnswer(`Rows of the query. ${asked}`, answerFormats),
    })),
    {
      path,
      summary,
      description: "Statements are remembered for five minutes after their end.",
      query,
      answer,
    },
  ];
}
