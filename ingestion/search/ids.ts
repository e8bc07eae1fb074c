import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { createGunzip } from "node:zlib";
import { LakeError } from "#kernel";
import type { FhirHttp } from "../http/index.js";
import type { FetchedFile } from "../source/fetched.js";
import { writeLines } from "../source/write-lines.js";
import { instantText } from "./search-instant.js";
import { SourceClient } from "./source-client.js";
import { TypeSearch } from "./window.js";
import { WindowWalk } from "./window-walk.js";

/** Which ids to list. */
export interface IdListRequest {
  readonly http: FhirHttp;
  readonly type: string;
  /** Default 1000. */
  readonly pageSize?: number;
  readonly signal?: AbortSignal;
}

const ID_PAGE = 1000;
const PLAIN_ID = /^[A-Za-z0-9\-.]{1,64}$/;

/** The ids of all resources of a type that a search finds (`_elements=id`), each at least once. */
export async function* listIds(request: IdListRequest): AsyncGenerator<string> {
  for await (const { ids } of idPages(request)) yield* ids;
}

async function* idPages(
  request: IdListRequest,
): AsyncGenerator<{ ids: string[]; serverMs: number | undefined }> {
  const client = new SourceClient(request.http, request.signal);
  const search = new TypeSearch(client, request.type, request.pageSize ?? ID_PAGE, "id,meta");
  const walk = new WindowWalk(search, { from: undefined, to: undefined });
  for await (const { entries, page } of walk.steps()) {
    yield { ids: entries.map(({ id }) => id).filter((id) => id !== ""), serverMs: page.serverMs };
  }
}

/** A list of the ids at a source. */
export interface IdFile {
  /** Text, one `Type/id` per line; an id can stand there more than once. */
  readonly path: string;
  readonly types: readonly string[];
  readonly lines: number;
  /** FHIR instant: the server's time when listing began; undefined when it does not tell, or the list was made of files. */
  readonly listedAt: string | undefined;
}

/**
 * Lists the ids of several types into one file by search. Ids that the source hides in the meantime may be missing, so a missing one is
 * only a candidate for a delete. Errors: those of {@link listIds}; then there is no file.
 */
export async function writeIdFile(
  request: Omit<IdListRequest, "type"> & { readonly types: readonly string[]; readonly path: string },
): Promise<IdFile> {
  const { types, path } = request;
  let startMs: number | undefined;
  async function* lines(): AsyncGenerator<string> {
    for (const type of types) {
      for await (const { ids, serverMs } of idPages({ ...request, type })) {
        startMs ??= serverMs;
        for (const id of ids) yield `${type}/${id}`;
      }
    }
  }
  const count = await writeLines(path, lines());
  return { path, types, lines: count, listedAt: startMs === undefined ? undefined : instantText(startMs) };
}

function badIdList(file: string, line: number): LakeError {
  return new LakeError(
    "corrupt-data",
    "source/bad-id-list",
    `Line ${line} of '${file}' is no resource with type and id, so nothing can be concluded from the list; fetch it again.`,
  );
}

async function* idsOfFile(file: FetchedFile): AsyncGenerator<string> {
  const bytes = createReadStream(file.path);
  const input = file.path.endsWith(".gz") ? bytes.pipe(createGunzip()) : bytes;
  let number = 0;
  for await (const line of createInterface({ input })) {
    number++;
    if (line.trim() === "") continue;
    yield idOfLine(line) ?? raise(badIdList(file.path, number));
  }
}

function raise(error: Error): never {
  throw error;
}

function idOfLine(line: string): string | undefined {
  try {
    const { resourceType, id } = JSON.parse(line) as { resourceType?: unknown; id?: unknown };
    if (typeof resourceType !== "string" || typeof id !== "string" || !PLAIN_ID.test(id)) return undefined;
    return `${resourceType}/${id}`;
  } catch {
    return undefined;
  }
}

/** Lists the ids in fetched resource files, such as those of an export with `_elements=id`. Errors: `source/bad-id-list`. */
export async function writeIdFileOf(
  files: readonly FetchedFile[],
  types: readonly string[],
  path: string,
): Promise<IdFile> {
  async function* lines(): AsyncGenerator<string> {
    for (const file of files) if (file.kind === "resources") yield* idsOfFile(file);
  }
  return { path, types, lines: await writeLines(path, lines()), listedAt: undefined };
}
