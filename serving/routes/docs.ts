import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { isLakeError } from "#kernel";
import type { SnapshotReader } from "#query";
import type { ServingContext, ServingDependencies } from "../context.js";
import { REFERENCE_POLICY, referencePage, referenceScript, referenceStyle } from "../html/reference-page.js";
import { type JsonSchema, jsonAnswer, textAnswer } from "../http/describe.js";
import { freshnessNow } from "../http/freshness.js";
import type { RouteTable } from "../http/routes.js";
import { openApiDocument } from "../openapi/document.js";
import { stateQuery } from "../question/described.js";
import { openRequested } from "./open-state.js";
import { fixed, sendDocument } from "./send.js";

/** Files of the library that draws the reference page, by media type. */
const libraryFiles = {
  "swagger-ui.css": "text/css",
  "swagger-ui-bundle.js": "text/javascript",
} as const;

type LibraryFile = keyof typeof libraryFiles;

/** A file of the library's package, which came with this program: nothing is loaded from elsewhere. */
async function libraryFile(name: LibraryFile): Promise<string> {
  const manifest = createRequire(import.meta.url).resolve("swagger-ui-dist/package.json");
  return await readFile(path.join(path.dirname(manifest), name), "utf8");
}

/** The state that a description is made of; undefined where the lake holds none yet. */
async function openDescribed(
  given: URLSearchParams,
  dependencies: ServingDependencies,
): Promise<SnapshotReader | undefined> {
  try {
    return await openRequested(given, dependencies);
  } catch (error) {
    if (isLakeError(error) && error.code === "query/no-snapshot") return undefined;
    throw error;
  }
}

async function openApi(
  context: ServingContext,
  table: RouteTable,
  dependencies: ServingDependencies,
): Promise<Response> {
  const { release, securitySchemes, isOpen } = dependencies;
  const snapshot = await openDescribed(new URL(context.req.url).searchParams, dependencies);
  try {
    const document = openApiDocument({ routes: table.routes, snapshot, release, securitySchemes, isOpen });
    const body = JSON.stringify(document);
    const sent = { contentType: "application/json", body };
    if (snapshot === undefined) return new Response(body, { headers: { "Content-Type": sent.contentType } });
    return sendDocument(context, freshnessNow(snapshot, dependencies), release, sent);
  } finally {
    snapshot?.release();
  }
}

const openApiSchema: JsonSchema = { type: "object", description: "An OpenAPI 3.1 document." };

/** The description of this server for programs, and a page that shows it to people. */
export function docsRoutes(table: RouteTable, dependencies: ServingDependencies): void {
  const { release } = dependencies;
  table.add(
    {
      method: "GET",
      path: "/openapi.json",
      permission: "metadata.read",
      summary: "This description",
      query: stateQuery(),
      answer: jsonAnswer("OpenAPI 3.1, with the views and columns of the state.", openApiSchema, {
        fresh: true,
      }),
    },
    async (context) => await openApi(context, table, dependencies),
  );
  const add = (name: string, type: string, summary: string, body: () => Promise<string> | string): void => {
    const path = name === "" ? "/docs" : `/docs/${name}`;
    const answer = textAnswer(`${summary}.`, type);
    table.add({ method: "GET", path, permission: "public", summary, query: [], answer }, async (context) => {
      context.get("notes").contentSecurityPolicy = REFERENCE_POLICY;
      return fixed(context, release, `${type}; charset=utf-8`, await body());
    });
  };
  add("", "text/html", "The reference page", referencePage);
  add("start.js", "text/javascript", "Its script", () => referenceScript);
  add("start.css", "text/css", "Its own style", () => referenceStyle);
  for (const [name, type] of Object.entries(libraryFiles)) {
    let read: Promise<string> | undefined;
    add(name, type, `A file of the reference page`, () => (read ??= libraryFile(name as LibraryFile)));
  }
}
