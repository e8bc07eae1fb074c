import { derivedColumns, findView, SharedReader, type SnapshotReader } from "#query";
import type { ServingContext, ServingDependencies } from "../context.js";
import { PAGE_ROWS, viewListPage } from "../html/view-page.js";
import { chooseFormat, parameters, splitName } from "../http/choose-format.js";
import { jsonAnswer, list, object } from "../http/describe.js";
import { freshnessMeta, freshnessNow } from "../http/freshness.js";
import { type AnswerFormat, answerFormats, contentType } from "../http/negotiate.js";
import { parseQuestion, type Question } from "../http/question.js";
import { pathParameter, type RouteTable } from "../http/routes.js";
import { rowsAnswer } from "../http/row-answer.js";
import { viewQuery, viewVariants } from "../openapi/view-variants.js";
import { type Cursor, checkCursor, questionDigest } from "../question/cursor.js";
import { formatQuery, stateQuery } from "../question/described.js";
import { type OutputOptions, parseOutput } from "../question/output-options.js";
import { stateSchemas, viewSummary, viewSummarySchema } from "./dictionary.js";
import { openRequested, withSnapshot } from "./open-state.js";
import { prettyJson, sendDocument } from "./send.js";
import { sendAnswer } from "./view-answer.js";

async function listViews(context: ServingContext, dependencies: ServingDependencies): Promise<Response> {
  const format = chooseFormat(context, undefined, ["json", "html"]);
  return await withSnapshot(context, dependencies, (snapshot) => {
    const freshness = freshnessNow(snapshot, dependencies);
    const views = [...snapshot.views.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const body =
      format === "html"
        ? viewListPage(freshness, views)
        : prettyJson({ ...freshnessMeta(freshness), views: views.map(viewSummary) });
    return sendDocument(context, freshness, dependencies.release, { contentType: contentType(format), body });
  });
}

/** The state that a page is read in: that of its cursor, or the one that the request names. */
async function openState(
  dependencies: ServingDependencies,
  view: string,
  given: URLSearchParams,
): Promise<{ readonly reader: SnapshotReader; readonly cursor: Cursor | undefined }> {
  const text = given.get("cursor");
  if (text === null) return { reader: await openRequested(given, dependencies), cursor: undefined };
  const cursor = dependencies.cursors.decode(text);
  checkCursor(cursor, view, questionDigest(view, given));
  return { reader: await dependencies.query.resume(cursor.point), cursor };
}

function smallest(...limits: readonly (number | undefined)[]): number | undefined {
  const given = limits.filter((limit) => limit !== undefined);
  return given.length === 0 ? undefined : Math.min(...given);
}

async function showView(
  context: ServingContext,
  dependencies: ServingDependencies,
  segment: string,
): Promise<Response> {
  const { name, extension } = splitName(segment);
  const notes = context.get("notes");
  const given = parameters(context);
  // Opened once: the state that the names are checked against is the one that answers.
  const { reader, cursor } = await notes.timing.step("open", () => openState(dependencies, name, given));
  const shared = new SharedReader(reader);
  const opened = shared.hold();
  let asked: Question;
  let format: AnswerFormat;
  let output: OutputOptions;
  try {
    const view = findView(opened, name);
    notes.view = view.name;
    const derived = derivedColumns(view, { ageAt: opened.committedAt.slice(0, 10) });
    asked = parseQuestion(
      given,
      [...view.columns, ...derived].map((column) => column.name),
    );
    format = chooseFormat(context, extension);
    notes.format = format;
    output = parseOutput(given, format);
  } catch (error) {
    opened.release();
    throw error;
  }
  const limit = smallest(
    asked.question.limit,
    dependencies.maxRows,
    format === "html" ? PAGE_ROWS : undefined,
  );
  const read = await notes.timing.step("plan", () =>
    dependencies.query.readOpened(opened, {
      ...asked.question,
      view: name,
      ...(limit === undefined ? {} : { limit }),
      ...(cursor === undefined ? {} : { after: cursor.position }),
    }),
  );
  return await sendAnswer(context, dependencies, {
    read,
    format,
    output,
    count: asked.count,
    pinned: given.has("pin"),
    hold: () => shared.hold(),
  });
}

const listSchema = object({ ...stateSchemas, views: list(object(viewSummarySchema)) });

/** The routes of views. */
export function viewRoutes(table: RouteTable, dependencies: ServingDependencies): void {
  table.add(
    {
      method: "GET",
      path: "/views",
      permission: "metadata.read",
      summary: "All views",
      query: [...stateQuery(), formatQuery(["json", "html"])],
      answer: {
        ...jsonAnswer("The views of the state.", listSchema, { fresh: true }),
        content: { "application/json": listSchema, "text/html": { type: "string" } },
      },
    },
    async (context) => await listViews(context, dependencies),
  );
  table.add(
    {
      method: "GET",
      path: "/views/:view",
      permission: "views.read",
      summary: "The rows of a view",
      params: { view: "Name of the view, with the format behind a point if wanted." },
      query: viewQuery,
      answer: rowsAnswer("Rows of the view.", answerFormats),
      variants: viewVariants,
    },
    async (context) => await showView(context, dependencies, pathParameter(context, "view")),
  );
}
