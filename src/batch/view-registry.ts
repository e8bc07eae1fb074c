import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { type CompiledView, compileView, viewHash, viewJson } from "#compiler";
import type { Definitions } from "#fhir";
import { isLakeError, LakeError, packageRoot } from "#kernel";
import type { Lake, ViewState } from "#lake";

/** A ViewDefinition that a lake is to keep materialized. */
export interface RegisteredView {
  readonly name: string;
  /** File it was read from, for messages. */
  readonly file: string;
  /** The ViewDefinition's JSON text as read. */
  readonly text: string;
  readonly title: string | undefined;
  readonly description: string | undefined;
  /** Equal hashes mean equal rows. */
  readonly hash: string;
  /** Compiles the view when first asked; a lake whose views are all up to date never does. */
  compile(): CompiledView;
}

/** Folder of the ViewDefinitions that come with fhir-lake. */
export function shippedViewsDirectory(): string {
  return path.join(packageRoot(), "viewdefinitions");
}

async function viewFiles(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true, recursive: true }).catch((cause: unknown) => {
    throw new LakeError(
      "not-found",
      "views/no-such-folder",
      `The folder of ViewDefinitions '${dir}' cannot be read.`,
      { cause },
    );
  });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(".json") && !entry.name.endsWith(".cases.json"))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort();
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** Reads one ViewDefinition text. Errors: `views/not-json`, `views/no-name`; those of the compiler come from `compile`. */
export function registerView(
  text: string,
  file: string,
  definitions: Definitions,
  strict: boolean,
): RegisteredView {
  let json: unknown;
  try {
    json = viewJson(text);
  } catch (cause) {
    const why = isLakeError(cause) ? cause.message : "";
    throw new LakeError("invalid-input", "views/not-json", `${file}: ${why}`, { cause });
  }
  const { name, title, description } = (json ?? {}) as Record<string, unknown>;
  if (typeof name !== "string" || name === "") {
    throw new LakeError(
      "invalid-input",
      "views/no-name",
      `The ViewDefinition in '${file}' needs a name to be materialized under.`,
    );
  }
  return {
    name,
    file,
    text,
    title: textOf(title),
    description: textOf(description),
    hash: viewHash(json, definitions),
    compile: () => compileView(json, { definitions, strict }),
  };
}

/**
 * All ViewDefinitions below folders (`*.json` but not `*.cases.json`), by name. A view in a later folder replaces one of the same name
 * in an earlier folder; two in one folder are `views/duplicate-name`.
 */
export async function loadViews(
  directories: readonly string[],
  definitions: Definitions,
  strict = true,
): Promise<Map<string, RegisteredView>> {
  const views = new Map<string, RegisteredView>();
  for (const dir of directories) {
    const here = new Map<string, RegisteredView>();
    for (const file of await viewFiles(dir)) {
      const view = registerView(await readFile(file, "utf8"), file, definitions, strict);
      const other = here.get(view.name);
      if (other !== undefined) {
        throw new LakeError(
          "invalid-input",
          "views/duplicate-name",
          `Both '${other.file}' and '${file}' define the view '${view.name}'; rename one.`,
        );
      }
      here.set(view.name, view);
    }
    for (const [name, view] of here) views.set(name, view);
  }
  return views;
}

/** Stores the ViewDefinition text in the lake under its hash and gives its object key. */
async function storeDefinition(lake: Lake, text: string): Promise<string> {
  const sha256 = createHash("sha256").update(text).digest("hex");
  const key = `definitions/${sha256}.json`;
  await lake.store.putIfAbsent(key, Buffer.from(text));
  return key;
}

/** The view's state in a snapshot before any row of it was built. */
export async function unbuilt(lake: Lake, view: RegisteredView): Promise<ViewState> {
  const compiled = view.compile();
  return {
    hash: compiled.hash,
    definition: await storeDefinition(lake, view.text),
    resource: compiled.resource,
    title: view.title,
    description: view.description,
    columns: compiled.columns.map((column) => ({ ...column })),
    state: "building",
    rowCount: 0,
    layers: [],
  };
}

/** Compiles the ViewDefinition that a snapshot's view was built from. */
export async function compiledOf(lake: Lake, state: ViewState): Promise<CompiledView> {
  const text = Buffer.from(await lake.store.get(state.definition)).toString("utf8");
  return compileView(text, { definitions: lake.definitions });
}
