import { derivedColumns, type SnapshotReader, type SnapshotView } from "#query";
import type { QueryParameter } from "../http/describe.js";
import { answerFormats } from "../http/negotiate.js";
import type { RouteVariant } from "../http/routes.js";
import { rowsAnswer } from "../http/row-answer.js";
import {
  formatQuery,
  outputQuery,
  questionQuery,
  stateQuery,
  viewParameters,
} from "../question/described.js";
import { filterReference, valueSchema } from "./column-schemas.js";

/** What every view can be asked, whatever its columns. */
export const viewQuery: readonly QueryParameter[] = [
  ...questionQuery,
  ...stateQuery(),
  ...outputQuery,
  formatQuery(answerFormats),
];

function columnQuery(view: SnapshotView, snapshot: SnapshotReader): QueryParameter[] {
  const derived = derivedColumns(view, { ageAt: snapshot.committedAt.slice(0, 10) });
  return [...view.columns, ...derived]
    .filter(({ name }) => !viewParameters.includes(name))
    .map((column) => ({
      name: column.name,
      description: column.description ?? column.path,
      // A column may be filtered several times: all of the filters must hold.
      schema: { type: "array", items: filterReference(column) },
    }));
}

function variant(view: SnapshotView, snapshot: SnapshotReader): RouteVariant {
  const row = {
    type: "object",
    properties: Object.fromEntries(view.columns.map((column) => [column.name, valueSchema(column)])),
  };
  const path = `/views/${encodeURIComponent(view.name)}`;
  const about = view.description ?? `Rows from ${view.resource} resources.`;
  return {
    path,
    summary: view.name,
    description: `${about}\n\nThe format may stand at the end: \`${path}.csv\`. Every column is a parameter that filters by it.`,
    query: [...columnQuery(view, snapshot), ...viewQuery],
    answer: rowsAnswer("Rows of the view.", answerFormats, row),
  };
}

/** An address for each view of a state that can be read, whose parameters are its columns. */
export function viewVariants(snapshot: SnapshotReader): readonly RouteVariant[] {
  return [...snapshot.views.values()]
    .filter(({ state }) => state === "ready")
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((view) => variant(view, snapshot));
}
