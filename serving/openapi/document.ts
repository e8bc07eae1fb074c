import type { SnapshotReader } from "#query";
import type { JsonSchema, QueryParameter, RequestBody, RouteAnswer } from "../http/describe.js";
import { paramsOf, type Route, type RouteVariant } from "../http/routes.js";
import { filterComponents } from "./column-schemas.js";
import { answerHeaderComponents, problemSchema } from "./components.js";

type Json = Readonly<Record<string, unknown>>;

/** What a description of the server is made from. */
export interface DocumentOptions {
  readonly routes: readonly Route[];
  /** The state whose views and columns are shown; without it only patterns are. */
  readonly snapshot: SnapshotReader | undefined;
  readonly release: string;
  /** OpenAPI security schemes by name: the ways in which callers may say who they are. */
  readonly securitySchemes: Readonly<Record<string, JsonSchema>>;
  /** True where callers need not say who they are. */
  readonly isOpen: boolean;
}

const INTRODUCTION = `Tables over FHIR data by URL: views of a lake, cohorts and datasets. Each answer says which state it was read from and how fresh that is.

The same in words, with examples: \`docs/api.md\`, \`docs/cohorts.md\`. Errors are RFC 9457 problem documents. HEAD is answered wherever GET is.`;

/** `/views/:view/schema` as OpenAPI writes it: `/views/{view}/schema`. */
function template(path: string): string {
  return path.replaceAll(/:([^/]+)/g, "{$1}");
}

function operationId(method: string, path: string): string {
  const words = path
    .split(/[^A-Za-z0-9_]+/)
    .filter((word) => word !== "")
    .map((word) => word[0]!.toUpperCase() + word.slice(1));
  return `${method.toLowerCase()}${words.join("") || "Root"}`;
}

function tagOf(path: string): string {
  const [, first = ""] = path.split("/");
  return ["views", "cohorts", "pins", "ingest", "queries", "jobs", "sql", "links"].includes(first)
    ? first
    : "server";
}

/** Parameters that several operations share stand among the components once. */
class SharedParameters {
  private readonly uses = new Map<string, number>();
  private readonly names = new Map<string, string>();
  readonly components: Record<string, Json> = {};

  count(parameters: readonly QueryParameter[]): void {
    for (const parameter of parameters) {
      const key = JSON.stringify(parameter);
      this.uses.set(key, (this.uses.get(key) ?? 0) + 1);
    }
  }

  show(parameter: QueryParameter): Json {
    const key = JSON.stringify(parameter);
    const shown = { ...parameter, in: "query" };
    if ((this.uses.get(key) ?? 0) < 2) return shown;
    let name = this.names.get(key);
    if (name === undefined) {
      const base = parameter.name.replaceAll(/[^A-Za-z0-9._-]/g, "_");
      name = base;
      for (let n = 2; name in this.components; n++) name = `${base}_${n}`;
      this.names.set(key, name);
      this.components[name] = shown;
    }
    return { $ref: `#/components/parameters/${name}` };
  }
}

const problem = { $ref: "#/components/responses/Problem" };

/** The statuses that an operation may refuse a request with. */
function refusals({ permission, body, params, method }: Route, query: readonly QueryParameter[]): number[] {
  const has = (name: string): boolean => query.some((parameter) => parameter.name === name);
  return [
    400,
    ...(permission === "public" ? [] : [401, 403]),
    ...(params === undefined ? [] : [404]),
    ...(has("_format") ? [406] : []),
    ...(method === "GET" ? [] : [409]),
    ...(has("snapshot") ? [410] : []),
    ...(body === undefined ? [] : [413, 415]),
    429,
    500,
    503,
  ];
}

function answered({ description, content, fresh }: RouteAnswer): Json {
  const shown = Object.entries(content).map(([type, schema]) => [type, { schema }]);
  const headers = fresh
    ? Object.fromEntries(
        Object.keys(answerHeaderComponents).map((name) => [name, { $ref: `#/components/headers/${name}` }]),
      )
    : {};
  return {
    description,
    ...(fresh ? { headers } : {}),
    ...(shown.length === 0 ? {} : { content: Object.fromEntries(shown) }),
  };
}

function bodyOf({ description, contentType, schema, example }: RequestBody): Json {
  return {
    description,
    required: true,
    content: { [contentType]: { schema, ...(example === undefined ? {} : { example }) } },
  };
}

/** A route at one address, as an operation. */
class Operations {
  readonly paths: Record<string, Record<string, Json>> = {};
  private readonly shared: SharedParameters;
  private readonly options: DocumentOptions;

  constructor(shared: SharedParameters, options: DocumentOptions) {
    this.shared = shared;
    this.options = options;
  }

  private pathParameters({ params = {} }: Route, path: string): Json[] {
    const names = [...(this.options.snapshot?.views.keys() ?? [])].sort();
    return paramsOf(path).map((name) => ({
      name,
      in: "path",
      required: true,
      description: params[name],
      schema: { type: "string", ...(name === "view" && names.length > 0 ? { enum: names } : {}) },
    }));
  }

  /** Whoever has one of the schemes' proofs and the permission; everybody where nothing is asked for. */
  private security({ permission }: Route): readonly Json[] {
    const { securitySchemes, isOpen } = this.options;
    if (permission === "public") return [{}];
    const ways = Object.keys(securitySchemes).map((scheme) => ({ [scheme]: [permission] }));
    return isOpen ? [{}, ...ways] : ways;
  }

  add(route: Route, variant?: RouteVariant): void {
    const { path, summary, query, answer } = variant ?? route;
    const parameters = [
      ...this.pathParameters(route, path),
      ...query.map((parameter) => this.shared.show(parameter)),
    ];
    const statuses = [answer.status, answer.otherStatus].filter((status) => status !== undefined);
    const responses: Record<string, Json> = Object.fromEntries(
      statuses.map((status) => [status, answered(answer)]),
    );
    if (answer.fresh && route.method === "GET")
      responses["304"] = { description: "If-None-Match names what would be sent." };
    for (const status of refusals(route, query)) responses[status] = problem;
    this.paths[template(path)] = {
      ...this.paths[template(path)],
      [route.method.toLowerCase()]: {
        operationId: operationId(route.method, path),
        summary,
        ...(variant === undefined ? {} : { description: variant.description }),
        tags: [tagOf(path)],
        "x-permission": route.permission,
        parameters,
        ...(route.body === undefined ? {} : { requestBody: bodyOf(route.body) }),
        responses,
        security: this.security(route),
      },
    };
  }
}

/** The description of a server in OpenAPI 3.1: its routes, and an address for each view whose parameters are the view's columns. */
export function openApiDocument(options: DocumentOptions): Json {
  const { routes, snapshot, release, securitySchemes } = options;
  const shared = new SharedParameters();
  const operations = new Operations(shared, options);
  const all = routes.flatMap((route): { route: Route; variant: RouteVariant | undefined }[] => {
    const variants = snapshot === undefined ? [] : (route.variants?.(snapshot) ?? []);
    return (variants.length === 0 ? [undefined] : variants).map((variant) => ({ route, variant }));
  });
  for (const { route, variant } of all) shared.count((variant ?? route).query);
  for (const { route, variant } of all) operations.add(route, variant);
  const tags = new Set(all.map(({ route }) => tagOf(route.path)));
  return {
    openapi: "3.1.1",
    info: {
      title: "fhir-lake",
      version: release,
      description: INTRODUCTION,
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/", description: "This server" }],
    tags: [...tags].map((name) => ({ name })),
    paths: operations.paths,
    components: {
      schemas: { Problem: problemSchema, ...(snapshot === undefined ? {} : filterComponents) },
      parameters: shared.components,
      headers: answerHeaderComponents,
      responses: {
        Problem: {
          description: "Why the request was refused, or failed.",
          content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
        },
      },
      securitySchemes,
    },
  };
}
