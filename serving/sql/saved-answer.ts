import { LakeError } from "#kernel";
import { missingParameters, type SavedQuery, savedParameters } from "#query";
import type { ServingContext, ServingDependencies } from "../context.js";
import { savedQueryPage } from "../html/query-page.js";
import { PAGE_ROWS } from "../html/view-page.js";
import { chooseFormat, parameters } from "../http/choose-format.js";
import { badRequest } from "../http/errors.js";
import { checkParameters } from "../http/question.js";
import { outputParameters, stateParameters } from "../question/described.js";
import { parseOutput } from "../question/output-options.js";
import type { Page } from "./sql-answer.js";
import { rowLimit, type SqlRequest } from "./sql-request.js";

/** The saved query of a name. Fails with `serving/no-such-saved-query`. */
export function findSaved({ savedQueries }: ServingDependencies, name: string): SavedQuery {
  const query = savedQueries.get(name);
  if (query !== undefined) return query;
  throw new LakeError(
    "not-found",
    "serving/no-such-saved-query",
    `There is no saved query '${name.slice(0, 64)}'; GET /queries lists them.`,
    {
      details: { queries: [...savedQueries.keys()].slice(0, 100) },
    },
  );
}

function limitOf(given: URLSearchParams): number | undefined {
  const text = given.get("limit");
  if (text === null || text === "") return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw badRequest("bad-parameter", "limit is a whole number from 0 up; write it like limit=100.", {
    parameter: "limit",
  });
}

/** A request for a saved query: its own parameters, and those of views for state, limit and output. */
export interface SavedRequest {
  readonly query: SavedQuery;
  /** Undefined when it cannot be run yet: a parameter is missing, and a person is to give it. */
  readonly request: SqlRequest | undefined;
  /** Values as they were given, for the form. */
  readonly values: Readonly<Record<string, string>>;
  readonly html: boolean;
}

/** Reads the address of a saved query. Fails as views do for what is unknown, with `query/sql-parameter` for values. */
export function parseSaved(
  context: ServingContext,
  dependencies: ServingDependencies,
  query: SavedQuery,
  extension: string | undefined,
): SavedRequest {
  const given = parameters(context);
  const names = query.parameters.map(({ name }) => name);
  checkParameters(given, [...names, ...stateParameters, ...outputParameters, "limit", "_format"]);
  const format = chooseFormat(context, extension);
  const output = parseOutput(given, format);
  const values = Object.fromEntries(
    names.flatMap((name) => (given.has(name) ? [[name, given.get(name)!]] : [])),
  );
  const html = format === "html";
  if (html && missingParameters(query, values).length > 0) return { query, request: undefined, values, html };
  const asked = rowLimit(limitOf(given), dependencies);
  const limit = html ? Math.min(asked ?? PAGE_ROWS, PAGE_ROWS) : asked;
  return {
    query,
    request: {
      question: {
        sql: query.sql,
        parameters: savedParameters(query, values),
        ...(limit === undefined ? {} : { limit }),
      },
      format,
      output,
      name: query.name,
    },
    values,
    html,
  };
}

/** The page of a saved query with its rows. */
export function pageWithRows(context: ServingContext, { query, values }: SavedRequest): Page {
  return async ({ answer }) =>
    savedQueryPage({
      query,
      values,
      search: new URL(context.req.url).search,
      answer: {
        state: answer.state,
        columns: answer.columns.map(({ name }) => name),
        rows: await answer.texts(),
        truncated: answer.truncated,
      },
    });
}
