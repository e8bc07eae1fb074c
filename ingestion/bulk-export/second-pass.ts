import { createHash } from "node:crypto";
import { mkdir, open, rename, stat } from "node:fs/promises";
import path from "node:path";
import { mapConcurrently } from "#kernel";
import { storageFailure, syncDirectory } from "#storage";
import type { FhirHttp } from "../http/index.js";
import { rewriteJson, TextBuffer } from "../ndjson/json-text.js";
import type { FetchedFile } from "../source/fetched.js";
import { Ledger, readState, writeState } from "../source/state-file.js";

/** Resources outside an export that are to be read one by one. */
export interface SecondPassOptions {
  readonly http: FhirHttp;
  /** The export's folder; this pass keeps its files below it and goes when the export is finished. */
  readonly workDir: string;
  /** `Type/id`, in the order of their worth: what goes beyond the bounds is left. Repeated ones count once. */
  readonly references: AsyncIterable<string> | Iterable<string>;
  /** Most resources to ask for. Default 10,000. */
  readonly maxResources?: number;
  /** Bytes of texts after which no more is asked for. Default 1 GiB. */
  readonly maxBytes?: number;
  /** Reads at once; the client's own limit holds as well. Default 4. */
  readonly concurrency?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

/** What a second pass brought. `fetched + missing + refused + left` is the number of distinct usable references. */
export interface SecondPassResult {
  readonly files: readonly FetchedFile[];
  readonly fetched: number;
  /** The server has none of that name (any more): references that stay unresolved. */
  readonly missing: number;
  /** The credentials do not allow it, or something else came back. */
  readonly refused: number;
  /** Not asked for, because of the bounds. */
  readonly left: number;
  /** Not `Type/id`. */
  readonly unusable: number;
}

interface Plan {
  readonly references: readonly string[];
  readonly left: number;
  readonly unusable: number;
}

interface Part {
  readonly part: number;
  readonly fetched: number;
  readonly missing: number;
  readonly refused: number;
  readonly sizeBytes: number;
  readonly sha256: string;
}

const REFERENCE = /^([A-Z][A-Za-z]{1,63})\/([A-Za-z0-9\-.]{1,64})$/;
/** Resources per file: what is lost at most by a crash. */
const PART_SIZE = 200;
const LINE_END = Buffer.from("\n");

/**
 * Reads resources that an export did not bring: attachments (`Binary`) and targets of references outside it, within bounds. Called
 * again for the same folder it goes on where it stopped, with the references of the first call. Each file holds resources as their
 * server wrote them, on one line.
 */
export async function fetchReferenced(options: SecondPassOptions): Promise<SecondPassResult> {
  const folder = path.join(path.resolve(options.workDir), "second-pass");
  const plan = await planOf(options, folder);
  const ledger = new Ledger(path.join(folder, "parts.ndjson"));
  try {
    const done = new Map<number, Part>();
    for (const entry of (await ledger.read()) as Part[]) {
      if (await isThere(partFile(folder, entry.part), entry.sizeBytes)) done.set(entry.part, entry);
    }
    let bytes = [...done.values()].reduce((sum, part) => sum + part.sizeBytes, 0);
    const parts = Math.ceil(plan.references.length / PART_SIZE);
    let asked = 0;
    for (let part = 0; part < parts; part++) {
      const references = plan.references.slice(part * PART_SIZE, (part + 1) * PART_SIZE);
      if (!done.has(part)) {
        if (bytes >= (options.maxBytes ?? 1024 ** 3)) break;
        const made = await fetchPart(options, folder, part, references);
        await ledger.append(made);
        done.set(part, made);
        bytes += made.sizeBytes;
      }
      asked += references.length;
      options.onProgress?.({ done: asked, total: plan.references.length });
    }
    return resultOf(folder, plan, [...done.values()], plan.references.length - asked);
  } finally {
    await ledger.close();
  }
}

/** The references to ask for: those of an earlier call for this folder, else the ones given, kept before anything is asked. */
async function planOf(options: SecondPassOptions, folder: string): Promise<Plan> {
  const file = path.join(folder, "plan.json");
  const kept = (await readState(file)) as Plan | undefined;
  if (kept !== undefined) return kept;
  const { maxResources = 10_000 } = options;
  const references = new Set<string>();
  let left = 0;
  let unusable = 0;
  for await (const reference of options.references) {
    if (!REFERENCE.test(reference)) unusable++;
    else if (references.size < maxResources) references.add(reference);
    else if (!references.has(reference)) left++;
  }
  const plan: Plan = { references: [...references], left, unusable };
  await writeState(file, plan);
  return plan;
}

function partFile(folder: string, part: number): string {
  return path.join(folder, `${String(part).padStart(6, "0")}.ndjson`);
}

async function isThere(file: string, sizeBytes: number): Promise<boolean> {
  return (await stat(file).catch(() => undefined))?.size === sizeBytes;
}

type Read = Buffer | "missing" | "refused";

async function read(options: SecondPassOptions, reference: string): Promise<Read> {
  const { http, signal } = options;
  const [, type, id] = REFERENCE.exec(reference)!;
  const answer = await http.json("GET", reference, {
    expect: [200, 403, 404, 410],
    ...(signal === undefined ? {} : { signal }),
  });
  if (answer.status === 404 || answer.status === 410) return "missing";
  const resource = answer.body as { resourceType?: unknown; id?: unknown } | null | undefined;
  if (answer.status !== 200 || resource?.resourceType !== type || resource?.id !== id) return "refused";
  const line = new TextBuffer();
  rewriteJson(answer.bytes, 0, answer.bytes.length, { compact: true }, line);
  line.append(LINE_END);
  return Buffer.from(line.bytes.subarray(0, line.length));
}

async function fetchPart(
  options: SecondPassOptions,
  folder: string,
  part: number,
  references: readonly string[],
): Promise<Part> {
  const answers = await mapConcurrently(references, Math.max(1, options.concurrency ?? 4), (reference) =>
    read(options, reference),
  );
  const lines = answers.filter((answer) => typeof answer !== "string");
  const text = Buffer.concat(lines);
  const file = partFile(folder, part);
  try {
    await mkdir(folder, { recursive: true });
    const handle = await open(`${file}.part`, "w");
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(`${file}.part`, file);
    await syncDirectory(folder);
  } catch (error) {
    throw storageFailure("write", file, error);
  }
  return {
    part,
    fetched: lines.length,
    missing: answers.filter((answer) => answer === "missing").length,
    refused: answers.filter((answer) => answer === "refused").length,
    sizeBytes: text.length,
    sha256: createHash("sha256").update(text).digest("hex"),
  };
}

function resultOf(folder: string, plan: Plan, parts: readonly Part[], notAsked: number): SecondPassResult {
  const sum = (count: (part: Part) => number): number =>
    parts.reduce((total, part) => total + count(part), 0);
  const files = parts
    .filter(({ fetched }) => fetched > 0)
    .sort((a, b) => a.part - b.part)
    .map(
      ({ part, fetched, sha256, sizeBytes }): FetchedFile => ({
        path: partFile(folder, part),
        kind: "resources",
        lines: fetched,
        sha256,
        sizeBytes,
      }),
    );
  return {
    files,
    fetched: sum(({ fetched }) => fetched),
    missing: sum(({ missing }) => missing),
    refused: sum(({ refused }) => refused),
    left: plan.left + notAsked,
    unusable: plan.unusable,
  };
}
