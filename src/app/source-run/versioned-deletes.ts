import { createReadStream, createWriteStream } from "node:fs";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { deleteLine, type FetchedBatch, type FetchedFile } from "#ingestion";
import { ordersOf } from "#lake";
import { instantHex, parseInstant, resourceKey } from "#landing";
import type { RunAtWork } from "./context.js";

interface Entry {
  readonly resource?: unknown;
  readonly request?: { readonly method?: string; readonly url?: string };
  readonly response?: { readonly etag?: string; readonly lastModified?: string };
}

interface Target {
  readonly type: string;
  readonly id: string;
  /** When the source says it was deleted, where it does. */
  readonly lastModified: string | undefined;
}

const TARGET = /^([A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})$/;
const LOOKUP_KEYS = 2000;

/** What a line deletes without saying which version that makes; undefined for any other line. */
function unversioned(line: string): Target[] | undefined {
  if (!line.includes('"DELETE"')) return undefined;
  let entries: readonly Entry[];
  try {
    entries = ((JSON.parse(line) as { entry?: readonly Entry[] }).entry ?? []) as readonly Entry[];
  } catch {
    return undefined;
  }
  const targets: Target[] = [];
  for (const { resource, request, response } of entries) {
    const match = TARGET.exec(request?.url ?? "");
    if (resource !== undefined || request?.method !== "DELETE" || response?.etag !== undefined)
      return undefined;
    if (match === null) return undefined;
    targets.push({ type: match[1]!, id: match[2]!, lastModified: response?.lastModified });
  }
  return targets;
}

/** The version number that a delete makes: the one after the lake's, unless that is younger than the delete. */
function versionOf(order: string | undefined, at: string): string | undefined {
  const instant = parseInstant(at);
  if (order === undefined || instant === undefined || order.slice(16, 32) > instantHex(instant))
    return undefined;
  return String(BigInt(`0x${order.slice(0, 16)}`) + 1n);
}

async function orders(work: RunAtWork, targets: readonly Target[]): Promise<Map<string, string>> {
  const head = await work.lake.history.latest();
  const found = new Map<string, string>();
  for (const type of new Set(targets.map((target) => target.type))) {
    const keys = targets
      .filter((target) => target.type === type)
      .map(({ id }) => resourceKey(work.source.name, type, id));
    for (let at = 0; at < keys.length; at += LOOKUP_KEYS) {
      const part = keys.slice(at, at + LOOKUP_KEYS);
      const known = await work.lake.reading(() =>
        work.lake.database.with((connection) => ordersOf(work.lake, connection, head?.tables[type], part)),
      );
      for (const [key, order] of known) found.set(key, order);
    }
  }
  return found;
}

async function rewritten(work: RunAtWork, file: FetchedFile, transactionTime: string): Promise<FetchedFile> {
  const target = `${file.path}.versioned`;
  async function* lines(): AsyncIterable<string> {
    for await (const line of createInterface({ input: createReadStream(file.path), crlfDelay: Infinity })) {
      const targets = unversioned(line);
      if (targets === undefined) {
        yield `${line}\n`;
        continue;
      }
      const known = await orders(work, targets);
      for (const { type, id, lastModified = transactionTime } of targets) {
        const versionId = versionOf(known.get(resourceKey(work.source.name, type, id)), lastModified);
        yield `${deleteLine({ type, id, lastModified, versionId })}\n`;
      }
    }
  }
  await pipeline(Readable.from(lines()), createWriteStream(target));
  return { ...file, path: target };
}

/**
 * The batch with the deletes that its source lists without a version given the version after the lake's, where versions decide what is
 * newer: without one a delete would lose to whatever it deletes. A list that is older than the lake's version of a resource does not beat it.
 */
export async function withVersionedDeletes(work: RunAtWork, batch: FetchedBatch): Promise<FetchedBatch> {
  if (work.source.config.order !== "version") return batch;
  const files: FetchedFile[] = [];
  for (const file of batch.files) {
    files.push(file.kind === "changes" ? await rewritten(work, file, batch.transactionTime) : file);
  }
  return { ...batch, files };
}
