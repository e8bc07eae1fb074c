import {
  type ColumnProfile,
  type DefinedColumn,
  definedColumns,
  derivedColumns,
  findView,
  type SnapshotReader,
  type SnapshotView,
  type ViewColumn,
} from "#query";
import type { ServingContext, ServingDependencies } from "../context.js";
import {
  anything,
  instant,
  type JsonSchema,
  jsonAnswer,
  list,
  object,
  orNull,
  text,
  truth,
  whole,
} from "../http/describe.js";
import { freshnessMeta, freshnessNow } from "../http/freshness.js";
import { formatByName } from "../http/negotiate.js";
import { pathParameter, type RouteTable } from "../http/routes.js";
import { formatQuery, stateQuery } from "../question/described.js";
import { withSnapshot } from "./open-state.js";
import { prettyJson, sendDocument } from "./send.js";

/** What lists say of a view. */
export function viewSummary(view: SnapshotView): Record<string, unknown> {
  return {
    name: view.name,
    resource: view.resource,
    description: view.description ?? null,
    state: view.state,
    rowCount: view.rowCount ?? null,
    columnCount: view.columns.length,
    href: `/views/${encodeURIComponent(view.name)}`,
  };
}

function describeColumn(
  column: ViewColumn,
  view: SnapshotView,
  defined: DefinedColumn | undefined,
): Record<string, unknown> {
  const system = [`${column.name}_system`, column.name.replace(/_?code$/, "_system"), "system"].find(
    (name) => /code$/.test(column.name) && view.columns.some((other) => other.name === name),
  );
  return {
    name: column.name,
    sqlType: column.sqlType,
    fhirType: column.fhirType ?? null,
    path: column.path,
    collection: column.collection,
    // Every resource has a key; everything else may be missing from it.
    nullable: column.path !== "getResourceKey()",
    description: column.description ?? null,
    phi: defined?.phi ?? null,
    systemColumn: system ?? null,
  };
}

async function schema(view: SnapshotView, snapshot: SnapshotReader): Promise<Record<string, unknown>> {
  const defined = definedColumns(await view.definition?.());
  const columns = view.columns.map((column) => describeColumn(column, view, defined.get(column.name)));
  const ageAt = snapshot.committedAt.slice(0, 10);
  const derived = derivedColumns(view, { ageAt }).map(({ name, sqlType, description }) => ({
    name,
    sqlType,
    description,
    // An age says when somebody was born, to the year.
    phi: "quasi-identifier",
  }));
  return { ...viewSummary(view), columns, derivedColumns: derived };
}

async function lineage(
  view: SnapshotView,
  snapshot: SnapshotReader,
  { runs }: ServingDependencies,
): Promise<Record<string, unknown>> {
  const definition = (await view.definition?.()) ?? null;
  const sources = Object.entries(snapshot.sources ?? {}).map(([name, source]) => ({
    name,
    watermark: source.watermarks?.[view.resource] ?? null,
    deletesVerified: source.deletesVerified ?? null,
    journalPosition: source.journalPosition ?? null,
    lastRun: source.run ?? null,
  }));
  const wanted = new Set(sources.flatMap(({ lastRun }) => (lastRun === null ? [] : [lastRun])));
  const known = (await runs?.list({ limit: 100 })) ?? [];
  return {
    ...viewSummary(view),
    hash: view.hash ?? null,
    changedAt: view.changedAt ?? null,
    sources,
    runs: known.filter(({ runId }) => wanted.has(runId)),
    viewDefinition: definition,
  };
}

/** Columns of direct identifiers, and those of which nobody said what they are, keep their values to themselves. */
function showsValues(columns: ReadonlyMap<string, DefinedColumn>): (name: string) => boolean {
  return (name) => ["none", "quasi-identifier", "date"].includes(columns.get(name)?.phi ?? "");
}

async function profile(
  view: SnapshotView,
  snapshot: SnapshotReader,
  dependencies: ServingDependencies,
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  const { minimumGroup, columns } = await dependencies.query.profile(snapshot, view.name, {
    showsValues: showsValues(definedColumns(await view.definition?.())),
    signal,
  });
  const shown: readonly ColumnProfile[] = columns;
  return { ...viewSummary(view), minimumGroup, columns: shown };
}

type Describe = (
  view: SnapshotView,
  snapshot: SnapshotReader,
  dependencies: ServingDependencies,
  signal: AbortSignal,
) => Promise<Record<string, unknown>>;

async function show(
  context: ServingContext,
  dependencies: ServingDependencies,
  describe: Describe,
): Promise<Response> {
  const { searchParams } = new URL(context.req.url);
  const format = searchParams.get("_format");
  if (format !== null) formatByName(format, ["json"]);
  return await withSnapshot(context, dependencies, async (snapshot) => {
    const view = findView(snapshot, pathParameter(context, "view"));
    const freshness = freshnessNow(snapshot, dependencies);
    const signal = AbortSignal.any([
      context.req.raw.signal,
      AbortSignal.timeout(dependencies.queryTimeoutMs),
    ]);
    const about = await describe(view, snapshot, dependencies, signal);
    // A view has a state of its own, which must not hide the lake's.
    const body = prettyJson({ ...freshnessMeta(freshness), lakeState: freshness.state, ...about });
    return sendDocument(context, freshness, dependencies.release, { contentType: "application/json", body });
  });
}

/** What documents say of the state that they describe. */
export const stateSchemas: Readonly<Record<string, JsonSchema>> = {
  snapshot: whole("The snapshot that was read."),
  asOf: instant("When it was committed."),
  epoch: orNull(whole("Position in the journal up to which live changes were read.")),
  deletesVerified: truth("False when some source cannot tell about all deletes."),
};

/** {@link viewSummary} as it is described. */
export const viewSummarySchema: Readonly<Record<string, JsonSchema>> = {
  name: text("Name of the view."),
  resource: text("The FHIR resource type of its rows."),
  description: orNull(text("What it holds.")),
  state: text("`ready`, `building` or `failed`."),
  rowCount: orNull(whole("Rows in the snapshot; null where that is not told.")),
  columnCount: whole("Number of columns."),
  href: text("Its address."),
};

function documentSchema(parts: Readonly<Record<string, JsonSchema>>): JsonSchema {
  return object({
    ...stateSchemas,
    lakeState: text("`ok`, `stale`, `incomplete`, `degraded` or `pinned`."),
    ...viewSummarySchema,
    ...parts,
  });
}

const columnSchema = object({
  name: text("Name of the column."),
  sqlType: text("Its type in SQL."),
  fhirType: orNull(text("The FHIR type of its values.")),
  path: text("The FHIRPath expression that gives its values."),
  collection: truth("Whether it holds lists."),
  nullable: truth("Whether a value may be missing."),
  description: orNull(text("What it means.")),
  phi: orNull(text("`direct-identifier`, `quasi-identifier`, `date` or `none`; null when nobody said.")),
  systemColumn: orNull(text("The column that holds the code system of its codes.")),
});

const schemaSchema = documentSchema({
  columns: list(columnSchema),
  derivedColumns: list(
    object({
      name: text("Name of the column."),
      sqlType: text("Its type in SQL."),
      description: text("What it means."),
      phi: text("How identifying it is."),
    }),
    "Columns that questions may name beside.",
  ),
});

const lineageSchema = documentSchema({
  hash: orNull(text("Hash of the ViewDefinition and its compiler.")),
  changedAt: orNull(whole("Epoch of the last live change to what it reads.")),
  sources: list(anything("A source, its watermark and its last run.")),
  runs: list(anything("A run that brought its rows.")),
  viewDefinition: anything("The SQL-on-FHIR ViewDefinition; null where there is none."),
});

const profileSchema = documentSchema({
  minimumGroup: whole("Values of fewer persons are not shown."),
  columns: list(anything("A column: share of nulls, distinct values, bounds, frequent values.")),
});

/** What the columns of a view mean, what they hold, and where that came from. */
export function dictionaryRoutes(table: RouteTable, dependencies: ServingDependencies): void {
  const params = { view: "Name of the view." };
  const query = [...stateQuery(), formatQuery(["json"])];
  table.add(
    {
      method: "GET",
      path: "/views/:view/schema",
      permission: "metadata.read",
      summary: "The columns of a view",
      params,
      query,
      answer: jsonAnswer("What each column means.", schemaSchema, { fresh: true }),
    },
    async (context) => await show(context, dependencies, schema),
  );
  table.add(
    {
      method: "GET",
      path: "/views/:view/lineage",
      permission: "metadata.read",
      summary: "Where the rows of a view come from",
      params,
      query,
      answer: jsonAnswer("Definition, sources and runs.", lineageSchema, { fresh: true }),
    },
    async (context) => await show(context, dependencies, lineage),
  );
  table.add(
    {
      method: "GET",
      path: "/views/:view/profile",
      permission: "views.read",
      summary: "What the columns of a view hold, small groups left out",
      params,
      query,
      answer: jsonAnswer("A profile per column.", profileSchema, { fresh: true }),
    },
    async (context) => await show(context, dependencies, profile),
  );
}
