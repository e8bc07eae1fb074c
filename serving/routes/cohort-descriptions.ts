import { type ResultFormat, resultFormats } from "#query";
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
  type RouteAnswer,
  text,
  truth,
  whole,
} from "../http/describe.js";
import type { Route } from "../http/routes.js";
import { rowsAnswer } from "../http/row-answer.js";
import { formatQuery, stateQuery } from "../question/described.js";
import { stateSchemas } from "./dictionary.js";

const id = { id: "Id of the cohort." };
const version: QueryParameter = {
  name: "version",
  description: "This version of the cohort, instead of the newest.",
  schema: { type: "integer", minimum: 1 },
};
const snapshot: QueryParameter = {
  name: "snapshot",
  description: "The snapshot that is read, instead of the newest.",
  schema: { type: "integer", minimum: 1 },
};
const state = [...stateQuery(["snapshot", "consistency", "min_epoch"]), version];

const shownCount = orNull(whole("Persons; null when the number is too small to be shown."));
const criterion = list({ type: "object" });

const definitionBody: RequestBody = {
  description: "The definition of a cohort; docs/cohorts.md says what each part means.",
  contentType: "application/json",
  schema: {
    type: "object",
    required: ["title"],
    properties: {
      title: text("What the cohort is called."),
      description: text("More about it."),
      sources: list(text("Name of a source."), "Only records of these sources."),
      valueSets: { type: "object", description: "Sets of codes by name." },
      conversions: list({ type: "object" }, "Conversions of units beyond UCUM."),
      partialDates: { enum: ["certain", "possible"], description: "How partial dates count." },
      entry: { type: "object", description: "The event that gives a person an index date." },
      include: { ...criterion, description: "Rules that each member passes." },
      exclude: { ...criterion, description: "Rules that no member passes." },
      censor: { type: "object", description: "When observation ends." },
      crossTables: list(list({ type: "string" }), "Pairs of dimensions that may be crossed."),
      combine: { type: "object", description: "Other cohorts, united, intersected or taken away." },
    },
    additionalProperties: false,
  },
  example: {
    title: "Women with type 2 diabetes",
    valueSets: { t2d: { codes: [{ system: "snomed", codes: ["44054006"] }] } },
    entry: { view: "condition", in: "t2d" },
    include: [{ sex: ["female"] }],
  },
};

const datasetBody: RequestBody = {
  description: "The columns of the dataset; docs/cohorts.md says what each part means.",
  contentType: "application/json",
  schema: {
    type: "object",
    required: ["features"],
    properties: {
      features: list(
        {
          type: "object",
          required: ["name", "of"],
          properties: {
            name: text("Name of the column."),
            of: { enum: ["first", "last", "mean", "min", "max", "count", "any"] },
            view: text("The view that records are taken from."),
          },
        },
        "One column each.",
      ),
      valueSets: { type: "object", description: "Sets of codes by name." },
      conversions: list({ type: "object" }, "Conversions of units beyond UCUM."),
    },
    additionalProperties: false,
  },
  example: {
    features: [{ name: "visits", of: "count", view: "encounter", within: "-365..0 days of index" }],
  },
};

const summary = {
  id: text("Id of the cohort."),
  version: whole("Version, from 1."),
  title: text("What it is called."),
  createdAt: instant("When the version was stored."),
  href: text("Its address."),
};
const full = object({
  ...summary,
  english: anything("The definition in English."),
  definition: anything("The definition as it was stored."),
});

function documentAnswer(description: string, parts: Readonly<Record<string, JsonSchema>>): RouteAnswer {
  const schema = object({
    cohort: text("Id of the cohort."),
    version: whole("Its version."),
    ...stateSchemas,
    ...parts,
  });
  return jsonAnswer(description, schema, { fresh: true });
}

const table = {
  by: list(text("A dimension.")),
  count: shownCount,
  smallCell: whole("Smaller counts are not shown."),
  cells: orNull(list(object({ values: list(text("A value.")), count: shownCount }))),
  margins: anything("The table of each dimension on its own."),
};

type Described = Omit<Route, "variants">;

function membersRoute(format?: ResultFormat): Described {
  return {
    method: "GET",
    path: format === undefined ? "/cohorts/:id/members" : `/cohorts/:id/members.${format}`,
    permission: "views.read",
    summary: format === undefined ? "The members" : `The members as ${format}`,
    params: id,
    query: [...state, formatQuery(resultFormats)],
    answer: rowsAnswer("One row per member: key, index, end of observation.", resultFormats),
  };
}

/** The members in one format by the end of the address. */
export function membersIn(format: ResultFormat): Described {
  return membersRoute(format);
}

/** What the routes of cohorts are. */
export const cohortDescriptions = {
  list: {
    method: "GET",
    path: "/cohorts",
    permission: "cohorts.read",
    summary: "Lists the cohorts",
    query: [],
    answer: jsonAnswer("All cohorts in their newest versions.", object({ cohorts: list(object(summary)) })),
  },
  check: {
    method: "POST",
    path: "/cohorts/check",
    permission: "cohorts.read",
    summary: "Checks a definition and says it in English",
    query: [],
    body: definitionBody,
    answer: jsonAnswer(
      "It is valid.",
      object({ valid: truth("Always true."), english: anything("The definition in English.") }),
    ),
  },
  show: {
    method: "GET",
    path: "/cohorts/:id",
    permission: "cohorts.read",
    summary: "A cohort's definition",
    params: id,
    query: [version],
    answer: jsonAnswer("The definition, and its English.", full),
  },
  put: {
    method: "PUT",
    path: "/cohorts/:id",
    permission: "cohorts.write",
    summary: "Stores a version of a cohort",
    params: id,
    query: [],
    body: definitionBody,
    answer: { ...jsonAnswer("The version as stored; 201 for the first.", full), otherStatus: 201 },
  },
  remove: {
    method: "DELETE",
    path: "/cohorts/:id",
    permission: "cohorts.write",
    summary: "Removes a cohort",
    params: id,
    query: [],
    answer: emptyAnswer("It is no longer listed."),
  },
  versions: {
    method: "GET",
    path: "/cohorts/:id/versions",
    permission: "cohorts.read",
    summary: "The versions of a cohort",
    params: id,
    query: [],
    answer: jsonAnswer("All versions.", object({ versions: list({ type: "object" }) })),
  },
  count: {
    method: "GET",
    path: "/cohorts/:id/count",
    permission: "cohorts.read",
    summary: "How many persons belong to it",
    params: id,
    query: state,
    answer: documentAnswer("The number of members, and records that could not be used.", {
      count: shownCount,
      smallCell: whole("Smaller counts are not shown."),
      quality: list({ type: "object" }, "Per criterion, records that could not be used."),
    }),
  },
  attrition: {
    method: "GET",
    path: "/cohorts/:id/attrition",
    permission: "cohorts.read",
    summary: "What each rule takes away",
    params: id,
    query: [
      ...state,
      {
        name: "order",
        description: "Numbers of the rules in the order in which they are applied, such as `2,0,1`.",
        schema: { type: "string", pattern: "^\\d{1,2}(,\\d{1,2})*$" },
      },
    ],
    answer: documentAnswer("A step per rule.", {
      steps: list(
        object({
          name: text("Name of the rule."),
          remaining: shownCount,
          removed: shownCount,
        }),
      ),
    }),
  },
  breakdown: {
    method: "GET",
    path: "/cohorts/:id/breakdown",
    permission: "cohorts.read",
    summary: "Members by one or two dimensions",
    params: id,
    query: [
      ...state,
      {
        name: "by",
        description: "One or two dimensions, such as `gender,age_band`.",
        schema: { type: "string" },
        required: true,
      },
    ],
    answer: documentAnswer("A table, small numbers left out.", table),
  },
  feasibility: {
    method: "GET",
    path: "/cohorts/:id/feasibility",
    permission: "cohorts.read",
    summary: "Whether there are enough, by source and year",
    params: id,
    query: [
      ...state,
      {
        name: "needed",
        description: "How many persons a study needs.",
        schema: { type: "integer", minimum: 1 },
        required: true,
      },
    ],
    answer: documentAnswer("Whether there are, with the table of sources and years.", {
      ...table,
      feasible: orNull(truth("Null when the count may not be shown.")),
      needed: whole("What was asked for."),
    }),
  },
  diff: {
    method: "GET",
    path: "/cohorts/:id/diff",
    permission: "views.read",
    summary: "Who came and went between two snapshots, and why",
    params: id,
    query: [
      {
        name: "from",
        description: "The earlier snapshot.",
        schema: { type: "integer", minimum: 1 },
        required: true,
      },
      {
        name: "to",
        description: "The later snapshot; the newest when absent.",
        schema: { type: "integer", minimum: 1 },
      },
      version,
      {
        name: "limit",
        description: "Names at most so many of those who entered, and of those who left; 1000 are the most.",
        schema: { type: "integer", minimum: 1, default: 100 },
      },
    ],
    answer: jsonAnswer(
      "The differences, each with its causes.",
      object({
        cohort: text("Id of the cohort."),
        version: whole("Its version."),
        limit: whole("At most so many are named."),
        from: whole("The earlier snapshot."),
        to: whole("The later snapshot."),
        enteredCount: whole("How many entered."),
        leftCount: whole("How many left."),
        entered: list({ type: "object" }, "The first of them, with the rule and the versions behind each."),
        left: list({ type: "object" }, "The first of them, likewise."),
        truncated: truth("Whether some are left out."),
      }),
    ),
  },
  members: membersRoute(),
  makeDataset: {
    method: "POST",
    path: "/cohorts/:id/dataset",
    permission: "views.read",
    summary: "Makes a dataset",
    params: id,
    query: [snapshot, version],
    body: datasetBody,
    answer: jsonAnswer(
      "What the dataset holds, and an address per format.",
      object({
        dataset: text("Id of the recipe."),
        cohort: text("Id of the cohort."),
        version: whole("Its version."),
        pin: object({ snapshot: whole("The snapshot of the addresses."), asOf: instant("Its time.") }),
        rows: whole("Number of rows."),
        columns: list({ type: "object" }, "The dictionary."),
        attrition: list({ type: "object" }, "What each rule took away."),
        data: { type: "object", additionalProperties: { type: "string" }, description: "By format." },
      }),
      { status: 201 },
    ),
  },
  dataset: {
    method: "GET",
    path: "/cohorts/:id/datasets/:dataset",
    permission: "views.read",
    summary: "The rows of a dataset",
    params: { ...id, dataset: "Id of the dataset, with the format behind a point: `<id>.parquet`." },
    query: [snapshot, formatQuery(resultFormats)],
    answer: rowsAnswer("One row per member.", resultFormats),
  },
} as const satisfies Readonly<Record<string, Described>>;
