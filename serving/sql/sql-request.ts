import { didYouMean, ExactNumber, type ExactObject, type ExactValue } from "#kernel";
import { resultFormats, type SqlQuestion, sqlParameters } from "#query";
import type { ServingContext, ServingDependencies } from "../context.js";
import { chooseFormat, parameters } from "../http/choose-format.js";
import { badRequest } from "../http/errors.js";
import { exactJsonBody } from "../http/json-body.js";
import type { AnswerFormat } from "../http/negotiate.js";
import { type OutputOptions, parseOutput } from "../question/output-options.js";
import { isQueryId } from "./query-registry.js";

/** SQL that somebody asks for, and how the answer is to look. */
export interface SqlRequest {
  readonly question: SqlQuestion;
  readonly format: AnswerFormat;
  readonly output: OutputOptions;
  /** Names the file of the answer, and the sheet of a workbook. */
  readonly name: string;
}

const members = ["sql", "params", "format", "limit"] as const;

function isObject(value: ExactValue): value is ExactObject {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber)
  );
}

function textMember(body: ExactObject, name: string): string | undefined {
  const value = body[name];
  if (value === undefined || typeof value === "string") return value;
  throw badRequest("bad-sql-request", `"${name}" is a text.`, { member: name });
}

function limitMember({ limit }: ExactObject): number | undefined {
  if (limit === undefined) return undefined;
  if (limit instanceof ExactNumber && /^\d{1,15}$/.test(limit.text)) return Number(limit.text);
  throw badRequest("bad-sql-request", '"limit" is a whole number of rows from 0 up.', { member: "limit" });
}

/** The smaller of the limit that was asked for and the server's own; undefined where there is none. */
export function rowLimit(asked: number | undefined, { maxRows }: ServingDependencies): number | undefined {
  return asked === undefined || maxRows === undefined ? (asked ?? maxRows) : Math.min(asked, maxRows);
}

/** The body and the address of `POST /sql` and `POST /jobs`: `{"sql", "params", "format", "limit"}`, and state and output in the address as of views. */
export async function parseSqlRequest(
  context: ServingContext,
  dependencies: ServingDependencies,
): Promise<SqlRequest> {
  const given = parameters(context);
  const body = await exactJsonBody(context);
  if (!isObject(body))
    throw badRequest("bad-sql-request", 'Send an object: {"sql": "SELECT …", "params": {…}}.');
  const unknown = Object.keys(body).find((name) => !(members as readonly string[]).includes(name));
  if (unknown !== undefined) {
    const hint = didYouMean(unknown, members);
    throw badRequest("bad-sql-request", `There is no member "${unknown.slice(0, 64)}" here.${hint}`, {
      members,
    });
  }
  const sql = textMember(body, "sql");
  if (sql === undefined)
    throw badRequest("bad-sql-request", 'Give the statement: {"sql": "SELECT …"}.', { member: "sql" });
  const limit = rowLimit(limitMember(body), dependencies);
  const format = chooseFormat(context, textMember(body, "format"), resultFormats);
  return {
    question: {
      sql,
      parameters: body["params"] === undefined ? {} : sqlParameters(body["params"]),
      ...(limit === undefined ? {} : { limit }),
    },
    format,
    output: parseOutput(given, format),
    name: "answer",
  };
}

/** The id that the client chose for its statement, so that it can cancel it before the answer begins. */
export function chosenQueryId(context: ServingContext): string | undefined {
  const given = context.req.header("X-Query-Id");
  if (given === undefined || isQueryId(given)) return given;
  throw badRequest("bad-header", "X-Query-Id is a UUID in lower case; leave it out to be given one.", {
    header: "X-Query-Id",
  });
}

/** True when the client would rather be told where the answer will be than wait for it (RFC 7240). */
export function prefersAsync(context: ServingContext): boolean {
  const preferences = (context.req.header("Prefer") ?? "").split(/[,;]/);
  return preferences.some((preference) => preference.trim().toLowerCase() === "respond-async");
}
