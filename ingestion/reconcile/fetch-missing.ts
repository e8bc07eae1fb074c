import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { mapConcurrently } from "#kernel";
import { hashFile } from "#storage";
import type { FhirHttp } from "../http/index.js";
import { readResource } from "../search/index.js";
import type { FetchedFile } from "../source/fetched.js";
import { writeLines } from "../source/write-lines.js";

/** Resources to fetch one by one. */
export interface FetchMissingRequest {
  readonly http: FhirHttp;
  /** Lines `Type/id`. */
  readonly idFile: string;
  /** The NDJSON file to write. */
  readonly path: string;
  /** No more than so many are fetched. Default 10,000. */
  readonly limit?: number;
  readonly concurrency?: number;
  readonly signal?: AbortSignal;
}

const LINE = /^([A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})$/;
const CHUNK = 256;

/**
 * Reads the resources that the source lists and the lake lacks, such as those that became visible without being changed. Those that cannot
 * be read are left out. Undefined when nothing was read.
 */
export async function fetchMissing(request: FetchMissingRequest): Promise<FetchedFile | undefined> {
  const { http, signal, limit = 10_000 } = request;
  async function* lines(): AsyncGenerator<string> {
    for await (const chunk of idChunks(request.idFile, limit)) {
      const found = await mapConcurrently(chunk, request.concurrency ?? 4, ([type, id]) =>
        readResource({ http, type, id, ...(signal === undefined ? {} : { signal }) }),
      );
      for (const result of found) if (result.kind === "live") yield result.text;
    }
  }
  const count = await writeLines(request.path, lines());
  if (count === 0) return undefined;
  return { path: request.path, kind: "resources", lines: count, ...(await hashFile(request.path)) };
}

async function* idChunks(file: string, limit: number): AsyncGenerator<[string, string][]> {
  let left = limit;
  let chunk: [string, string][] = [];
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const found = LINE.exec(line);
    if (found === null) continue;
    if (left-- <= 0) break;
    if (chunk.push([found[1]!, found[2]!]) < CHUNK) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}
