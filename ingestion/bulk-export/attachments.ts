import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { storageFailure } from "#storage";
import type { FetchedFile } from "../source/fetched.js";

const BINARY_URL = /"url"\s*:\s*"((?:[^"\\?#]*\/)?)Binary\/([A-Za-z0-9\-.]{1,64})"/g;
const HINT = "Binary/";

/** Where attachments are looked for, and how many. */
export interface AttachmentSearch {
  readonly files: readonly FetchedFile[];
  /** Base URL of the source: absolute URLs count only below it. */
  readonly base: URL;
  /** Most distinct attachments. Default 100,000. */
  readonly maxCount?: number;
}

/** `Binary/id` of every attachment that the resources of a batch keep on their server, each once, in order of first mention. */
export async function* attachmentReferences(search: AttachmentSearch): AsyncGenerator<string> {
  const { files, base, maxCount = 100_000 } = search;
  const seen = new Set<string>();
  for (const file of files) {
    if (file.kind !== "resources") continue;
    try {
      const input = createInterface({ input: createReadStream(file.path) });
      for await (const line of input) {
        if (!line.includes(HINT)) continue;
        for (const [, prefix, id] of line.matchAll(BINARY_URL)) {
          const isOurs = prefix === "" || prefix === base.href;
          if (!isOurs || seen.has(id!)) continue;
          if (seen.size >= maxCount) return;
          seen.add(id!);
          yield `Binary/${id}`;
        }
      }
    } catch (error) {
      throw storageFailure("read", file.path, error);
    }
  }
}
