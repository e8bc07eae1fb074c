import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, rename } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { storageFailure, syncDirectory } from "#storage";
import type { FetchedFile } from "../source/fetched.js";

const TARGET =
  /^(?:[^?#]*\/)?([A-Z][A-Za-z]{1,63})\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/[A-Za-z0-9\-.]{1,64})?$/;

type Json = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A file of deletes, and how many entries of the source could not be understood. */
export interface DeletesFile {
  readonly file: FetchedFile;
  readonly unusable: number;
}

/** The delete that an entry stands for, with a time: servers give none, so it is the export's. */
function deletion(entry: unknown, transactionTime: string): Json | undefined {
  if (!isObject(entry) || !isObject(entry["request"])) return undefined;
  const { method, url } = entry["request"];
  const target = typeof url === "string" ? TARGET.exec(url) : null;
  if (typeof method !== "string" || method.toUpperCase() !== "DELETE" || target === null) return undefined;
  const response = isObject(entry["response"]) ? entry["response"] : {};
  const { lastModified, etag } = response;
  return {
    request: { method: "DELETE", url: `${target[1]}/${target[2]}` },
    response: {
      lastModified: typeof lastModified === "string" ? lastModified : transactionTime,
      ...(typeof etag === "string" ? { etag } : {}),
    },
  };
}

function convertLine(line: string, transactionTime: string): { text: string | undefined; unusable: number } {
  let bundle: unknown;
  try {
    bundle = JSON.parse(line);
  } catch {
    return { text: undefined, unusable: 1 };
  }
  const entries = isObject(bundle) && Array.isArray(bundle["entry"]) ? (bundle["entry"] as unknown[]) : [];
  const deletes = entries.flatMap((entry) => deletion(entry, transactionTime) ?? []);
  const text =
    deletes.length === 0
      ? undefined
      : `${JSON.stringify({ resourceType: "Bundle", type: "transaction", entry: deletes })}\n`;
  return { text, unusable: entries.length - deletes.length };
}

/**
 * Makes a changes file of a `deleted` file of the manifest: the same deletes, each with a time. It is written beside the
 * source, anew when it is there already.
 */
export async function writeDeletes(source: string, transactionTime: string): Promise<DeletesFile> {
  const target = source.replace(/(\.ndjson)?$/, ".changes.ndjson");
  const staged = `${target}.part`;
  const hash = createHash("sha256");
  let sizeBytes = 0;
  let lines = 0;
  let unusable = 0;
  try {
    const handle = await open(staged, "w");
    try {
      const input = createInterface({
        input: createReadStream(source),
        crlfDelay: Number.POSITIVE_INFINITY,
      });
      for await (const line of input) {
        if (line.trim() === "") continue;
        const converted = convertLine(line.replace(/^\ufeff/, ""), transactionTime);
        unusable += converted.unusable;
        if (converted.text === undefined) continue;
        const bytes = Buffer.from(converted.text);
        hash.update(bytes);
        sizeBytes += bytes.length;
        lines++;
        await handle.appendFile(bytes);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(staged, target);
    await syncDirectory(path.dirname(target));
  } catch (error) {
    throw storageFailure("write", target, error);
  }
  return { file: { path: target, kind: "changes", lines, sha256: hash.digest("hex"), sizeBytes }, unusable };
}
