import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { createGunzip } from "node:zlib";
import { storageFailure } from "#storage";
import type { FetchedFile } from "../source/fetched.js";
import { writeLines } from "../source/write-lines.js";

/** In FHIR JSON as servers write it: the member, then what it names, split at the type. */
const REFERENCE =
  /"reference"\s*:\s*"((?:[^"\\?#]*\/)?)([A-Z][A-Za-z]{1,63})\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/[A-Za-z0-9\-.]{1,64})?"/g;
const ATTACHMENT = /"url"\s*:\s*"((?:[^"\\?#]*\/)?)(Binary)\/([A-Za-z0-9\-.]{1,64})"/g;

/** Which resources are looked for in the resources of a batch. */
export interface ReferenceSearch {
  readonly files: readonly FetchedFile[];
  /** Base URL of the source: absolute references count only below it. */
  readonly base: URL;
  /** True: `Binary` resources that attachments name by URL. */
  readonly attachments: boolean;
  /** Types of resources that references name. */
  readonly types: readonly string[];
}

/** Names kept to pass over repeated ones; beyond, they are forgotten and may come again. */
const MOST_REMEMBERED = 500_000;

/** `Type/id` of what the resources of a batch name and their server keeps, in order of first mention; few come more than once. */
export async function* namedResources(search: ReferenceSearch): AsyncGenerator<string> {
  const types = new Set(search.types);
  const remembered = new Set<string>();
  const isOurs = (prefix: string): boolean => prefix === "" || prefix === search.base.href;
  for await (const line of linesOf(search.files)) {
    const found = [
      ...(types.size > 0 ? line.matchAll(REFERENCE) : []),
      ...(search.attachments && line.includes("Binary/") ? line.matchAll(ATTACHMENT) : []),
    ];
    for (const [text, prefix, type, id] of found) {
      const wanted = text.startsWith('"url"') || types.has(type!);
      const name = `${type}/${id}`;
      if (!wanted || !isOurs(prefix!) || remembered.has(name)) continue;
      if (remembered.size >= MOST_REMEMBERED) remembered.clear();
      remembered.add(name);
      yield name;
    }
  }
}

async function* linesOf(files: readonly FetchedFile[]): AsyncGenerator<string> {
  for (const file of files) {
    try {
      const bytes = createReadStream(file.path);
      const input = file.path.endsWith(".gz") ? bytes.pipe(createGunzip()) : bytes;
      for await (const line of createInterface({ input })) {
        // Some writers of JSON escape every slash.
        yield line.includes("\\/") ? line.replaceAll("\\/", "/") : line;
      }
    } catch (error) {
      throw storageFailure("read", file.path, error);
    }
  }
}

/** Writes {@link namedResources} to a file, one per line; answers how many lines. */
export function writeNamedResources(search: ReferenceSearch, path: string): Promise<number> {
  return writeLines(path, namedResources(search));
}
