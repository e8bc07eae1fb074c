import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadSavedQueries, shippedQueriesDirectory } from "#query";
import { viewParameters } from "../../serving/question/described.js";
import type { LakeServer } from "../../src/app/serve.js";
import { type ServedPopulation, servedPopulation } from "../support/served-population.js";

type SpecData = Exclude<Parameters<Validator["validate"]>[0], string>;

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly items?: Schema;
  readonly enum?: readonly string[];
  readonly examples?: readonly string[];
  readonly format?: string;
  readonly pattern?: string;
}
interface Parameter {
  readonly $ref?: string;
  readonly name: string;
  readonly in: "path" | "query";
  readonly description: string;
  readonly required?: boolean;
  readonly schema: Schema;
}
interface Operation {
  readonly operationId: string;
  readonly parameters: readonly Parameter[];
  readonly requestBody?: { readonly content: Record<string, { readonly example?: unknown }> };
  readonly responses: Record<
    string,
    { readonly description?: string; readonly content?: Record<string, { readonly schema: Schema }> }
  >;
}
interface Described {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: {
    readonly schemas: Record<string, Schema>;
    readonly parameters: Record<string, Parameter>;
  };
}

describe("the description of a server at /openapi.json", () => {
  let population: ServedPopulation;
  let server: LakeServer;
  let described: Described;
  let examples: Record<string, string>;
  /** Number of a snapshot that holds all views. */
  let snapshot: string;

  const get = async (address: string): Promise<Response> => await fetch(`${server.url}${address}`);
  const send = async (method: string, address: string, body?: unknown): Promise<Response> =>
    await fetch(`${server.url}${address}`, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
    });
  const resolved = (parameter: Parameter): Parameter =>
    parameter.$ref === undefined
      ? parameter
      : described.components.parameters[parameter.$ref.split("/").at(-1)!]!;
  const schemaOf = (schema: Schema): Schema =>
    schema.$ref === undefined ? schema : described.components.schemas[schema.$ref.split("/").at(-1)!]!;
  const operations = (method: string): [string, Operation][] =>
    Object.entries(described.paths).flatMap(([at, item]) => {
      const operation = item[method];
      return operation === undefined ? [] : [[at, operation] as [string, Operation]];
    });
  const queryOf = (operation: Operation): Parameter[] =>
    operation.parameters.map(resolved).filter((parameter) => parameter.in === "query");
  const isView = (at: string): boolean => /^\/views\/\w+$/.test(at);
  /** An address of a at, its parameters filled in. */
  const filled = (at: string): string =>
    at.replaceAll(/\{(\w+)\}/g, (_, name: string) => examples[`${at.split("/")[1]}.${name}`]!);

  beforeAll(async () => {
    population = await servedPopulation(12);
    server = await population.serve({
      savedQueries: await loadSavedQueries([shippedQueriesDirectory()]),
      live: {
        journal: { file: path.join(population.folder, "journal.sqlite") },
        senders: new Map(),
        views: population.views,
      },
    });
    described = (await (await get("/openapi.json")).json()) as Described;
    const cohort = described.paths["/cohorts/{id}"]!["put"]!.requestBody!.content["application/json"]!;
    expect((await send("PUT", "/cohorts/example", cohort.example)).status).toBe(201);
    const wanted = described.paths["/cohorts/{id}/dataset"]!["post"]!.requestBody!;
    const made = await send("POST", "/cohorts/example/dataset", wanted.content["application/json"]!.example);
    const { dataset } = (await made.json()) as { dataset: string };
    expect((await send("POST", "/pins", { name: "example" })).status).toBe(201);
    const { runs } = (await (await get("/ingest/runs")).json()) as { runs: { runId: string }[] };
    const statement = { sql: "SELECT count(*) AS n FROM condition" };
    const ran = await send("POST", "/sql", statement);
    expect(ran.status).toBe(200);
    const job = (await (await send("POST", "/jobs", statement)).json()) as { id: string; state: string };
    for (let tries = 0; tries < 200; tries++) {
      const { state } = (await (await get(`/jobs/${job.id}`)).json()) as { state: string };
      if (state === "done") break;
      await sleep(50);
    }
    snapshot = (await get("/views")).headers.get("X-Lake-Snapshot")!;
    examples = {
      "views.view": "condition",
      "cohorts.id": "example",
      "cohorts.dataset": dataset,
      "pins.name": "example",
      "queries.query": ran.headers.get("X-Query-Id")!,
      "jobs.job": job.id,
      "ingest.id": runs[0]?.runId ?? "none",
    };
  }, 120_000);
  afterAll(async () => {
    await population.close();
  });

  it("is OpenAPI 3.1 by an independent validator, without two operations or parameters of one name", async () => {
    const validator = new Validator();
    const result = await validator.validate(structuredClone(described) as unknown as SpecData);
    expect(result.errors).toBeUndefined();
    expect(result.valid).toBe(true);
    expect(validator.version).toBe("3.1");
    const all = ["get", "post", "put", "delete"].flatMap(operations);
    expect(all.length).toBeGreaterThan(60);
    expect(new Set(all.map(([, { operationId }]) => operationId)).size).toBe(all.length);
    for (const [at, { parameters }] of all) {
      const names = parameters.map(resolved).map(({ in: place, name }) => `${place} ${name}`);
      expect(new Set(names).size, at).toBe(names.length);
      for (const one of parameters.map(resolved)) expect(one.description, `${at} ${one.name}`).not.toBe("");
    }
  });

  it("refuses a description that is not valid, so that the check above means something", async () => {
    const broken = structuredClone(described) as {
      paths: Record<string, Record<string, { responses: unknown }>>;
    };
    broken.paths["/views"]!["get"]!.responses = "none";
    expect((await new Validator().validate(broken as unknown as SpecData)).valid).toBe(false);
  });

  it("names the columns of every view as parameters with the types that its dictionary gives", async () => {
    const kinds: Readonly<Record<string, string>> = {
      BOOLEAN: "BooleanFilter",
      INTEGER: "IntegerFilter",
      BIGINT: "IntegerFilter",
      DOUBLE: "NumberFilter",
      DATE: "DateFilter",
      TIMESTAMP: "LocalTimeFilter",
      "TIMESTAMP WITH TIME ZONE": "InstantFilter",
      "VARCHAR[]": "ListFilter",
    };
    const { views } = (await (await get("/views")).json()) as { views: { name: string }[] };
    for (const { name } of views) {
      const query = queryOf(described.paths[`/views/${name}`]!["get"]!);
      const schema = (await (await get(`/views/${name}/schema`)).json()) as {
        columns: { name: string; sqlType: string }[];
        derivedColumns: { name: string; sqlType: string }[];
      };
      for (const column of [...schema.columns, ...schema.derivedColumns]) {
        const parameter = query.find((one) => one.name === column.name);
        const component = parameter!.schema.items!.$ref!.split("/").at(-1)!;
        if (column.sqlType === "VARCHAR") expect(["TextFilter", "DecimalTextFilter"]).toContain(component);
        else expect(component, `${name}.${column.name}`).toBe(kinds[column.sqlType]);
      }
    }
  });

  it("means what it says: every filter that it gives as an example is answered, every misfit refused", async () => {
    const seen = new Set<string>();
    for (const [at, operation] of operations("get").filter(([one]) => isView(one))) {
      const together = new URLSearchParams({ limit: "0" });
      for (const { name, schema } of queryOf(operation)) {
        const reference = schema.items?.$ref;
        if (reference === undefined) continue;
        const { examples: given, pattern } = schemaOf(schema.items!);
        // Every column with one example, and every kind of column with all.
        together.append(name, given![0]!);
        if (seen.has(reference)) continue;
        seen.add(reference);
        for (const example of given!) {
          if (pattern !== undefined) expect(example).toMatch(new RegExp(pattern));
          const answer = await get(`${at}?limit=0&${name}=${encodeURIComponent(example)}`);
          expect(answer.status, `${at}?${name}=${example}`).toBe(200);
        }
        if (pattern === undefined) continue;
        for (const misfit of ["eq.~", "~", "gt.", "is.nothing"]) {
          expect(misfit).not.toMatch(new RegExp(pattern));
          expect((await get(`${at}?${name}=${misfit}`)).status, `${name}=${misfit}`).toBe(400);
        }
      }
      const answer = await get(`${at}?${together.toString()}`);
      expect(answer.status, `${at}: ${answer.ok ? "" : await answer.text()}`).toBe(200);
    }
    expect(seen.size).toBeGreaterThanOrEqual(7);
  }, 60_000);

  it("means what it says: every other parameter is accepted where it is described", async () => {
    const { next } = (await (
      await get("/views/condition.json?limit=1&envelope=1&order=condition_key&select=condition_key")
    ).json()) as { next: string };
    const values: Readonly<Record<string, string>> = {
      select: "condition_key",
      order: "condition_key",
      limit: "1",
      cursor: new URL(next, server.url).searchParams.get("cursor")!,
      age_at: "2026-01-31",
      and: "(condition_key.not.is.null)",
      or: "(condition_key.not.is.null)",
      "not.and": "(condition_key.is.null)",
      "not.or": "(condition_key.is.null)",
      null: "NA",
      snapshot,
      as_of: new Date().toISOString(),
      pin: "example",
      min_epoch: "0",
      version: "1",
      source: "main",
      by: "gender",
      needed: "5",
      from: snapshot,
      to: snapshot,
      codes: "44054006",
      gender: "female",
    };
    const together: Readonly<Record<string, string>> = {
      cursor: "&limit=1&order=condition_key&select=condition_key",
      null: "&_format=csv",
      excel: "&_format=tsv",
      trailer: "&_format=ndjson",
    };
    for (const [at, operation] of operations("get")) {
      // One view, and one format of members, for all.
      if ((isView(at) && at !== "/views/condition") || /\/members\.(?!csv)/.test(at)) continue;
      const query = queryOf(operation);
      const needed = query.filter(({ required }) => required === true).map(({ name }) => name);
      for (const { name, schema } of query) {
        if (schema.items !== undefined || (name === "order" && !isView(at))) continue;
        // Each takes a process of its own; what they share with views is read as it is there.
        if (at.startsWith("/queries/") && viewParameters.includes(name)) continue;
        // Read like the schema, at the cost of looking at every value.
        if (at.endsWith("/profile") && name !== "pin") continue;
        const value = schema.enum?.[0] ?? schema.examples?.[0] ?? values[name];
        expect(value, `${at} ${name}`).toBeDefined();
        const others = needed.filter((one) => one !== name).map((one) => `&${one}=${values[one]}`);
        const search = `${name}=${encodeURIComponent(value!)}${others.join("")}${together[name] ?? ""}`;
        const answer = await get(`${filled(at)}?${search}`);
        expect(answer.status, `${at}?${search}: ${answer.ok ? "" : await answer.text()}`).toBe(200);
      }
    }
  }, 60_000);

  it("means what it says: parameters that it does not name are refused, whatever they are elsewhere", async () => {
    const everywhere = new Set(
      operations("get").flatMap(([, operation]) => queryOf(operation).map(({ name }) => name)),
    );
    for (const method of ["get", "post", "put", "delete"]) {
      for (const [at, operation] of operations(method)) {
        if (isView(at) && !["/views/condition", "/views/patient_demographics"].includes(at)) continue;
        const own = new Set(queryOf(operation).map(({ name }) => name));
        const others = [...everywhere].filter((name) => !own.has(name)).slice(0, isView(at) ? 1000 : 3);
        for (const name of [...others, "no_such_parameter"]) {
          const answer = await send(method.toUpperCase(), `${filled(at)}?${encodeURIComponent(name)}=1`);
          const problem = (await answer.json()) as { type: string; status: number };
          expect([answer.status, problem.type], `${method} ${at}?${name}`).toEqual([
            400,
            "urn:fhir-lake:error:serving/unknown-parameter",
          ]);
        }
      }
    }
  }, 60_000);

  it("describes the bodies that are sent: answers in JSON fit their schemas, refusals fit that of problems", async () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: "http://described/", components: described.components });
    const check = (schema: Schema, body: unknown, what: string): void => {
      const text = JSON.stringify(schema).replaceAll('"#/components/', '"http://described/#/components/');
      const validate = ajv.compile(JSON.parse(text) as object);
      expect(validate(body), `${what}: ${ajv.errorsText(validate.errors)}`).toBe(true);
    };
    let checked = 0;
    for (const [at, operation] of operations("get")) {
      // A server without callers makes no links.
      if (at.startsWith("/download/")) continue;
      const schema = operation.responses["200"]?.content?.["application/json"]?.schema;
      if (schema === undefined || (at === "/ingest/runs/{id}" && examples["ingest.id"] === "none")) continue;
      const needed = queryOf(operation).filter(({ required }) => required === true);
      const values: Readonly<Record<string, string>> = { by: "gender", needed: "5", from: snapshot };
      const search = needed.map(({ name }) => `${name}=${values[name]}`).join("&");
      const answer = await get(`${filled(at)}?${search}${isView(at) ? "&limit=5" : ""}`);
      if (!answer.ok) throw new Error(`${at}: ${await answer.text()}`);
      if (!answer.headers.get("Content-Type")!.startsWith("application/json")) continue;
      check(schema, await answer.json(), at);
      checked += 1;
    }
    expect(checked).toBeGreaterThan(30);
    check(described.components.schemas["Problem"]!, await (await get("/views/nothing")).json(), "a problem");
    const types = await get("/views/condition");
    expect(Object.keys(described.paths["/views/condition"]!["get"]!.responses["200"]!.content!)).toContain(
      types.headers.get("Content-Type"),
    );
  }, 60_000);

  it("is the same until views change, and says so by its entity tag", async () => {
    const first = await get("/openapi.json");
    const second = await fetch(`${server.url}/openapi.json`, {
      headers: { "If-None-Match": first.headers.get("ETag")! },
    });
    expect(second.status).toBe(304);
  });
});
