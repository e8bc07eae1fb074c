import { createHash } from "node:crypto";
import { mkdir, open, rename, stat } from "node:fs/promises";
import path from "node:path";
import { isLakeError, mapConcurrently } from "#kernel";
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
  /** Milliseconds after which this call asks for no more. No bound when absent. */
  readonly maxMs?: number;
  /** Reads at once; the client's own limit holds as well. Default 4. */
  readonly concurrency?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

/** What a second pass brought. `fetched + missing + refused + failed + left` is the number of distinct usable references. */
export interface SecondPassResult {
  readonly files: readonly FetchedFile[];
  readonly fetched: number;
  /** The server has none of that name (any more): references that stay unresolved. */
  readonly missing: number;
  /** The credentials do not allow it, or something else came back. */
  readonly refused: number;
  /** The server did not manage to answer. */
  readonly failed: number;
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
  readonly failed: number;
  readonly left: number;
  readonly sizeBytes: number;
  readonly sha256: string;
}

const REFERENCE = /^([A-Z][A-Za-z]{1,63})\/([A-Za-z0-9\-.]{1,64})$/;
/** Resources per file: what is lost at most by a crash. */
const PART_SIZE = 200;
/** Reads whose answers are held in memory together. */
const BLOCK_SIZE = 8;
/** So many failures one after the other are no matter of single resources: the server is out of order. */
const MOST_FAILURES_IN_A_ROW = 10;
const LINE_END = Buffer.from("\n");

/**
 * Reads resources that an export did not bring: attachments (`Binary`) and targets of references outside it, within bounds. Called
 * again for the same folder it goes on where it stopped, with the references of the first call. Each file holds resources as their
 * server wrote them, on one line.
 */
export async function fetchReferenced(options: SecondPassOptions): Promise<SecondPassResult> {
  const folder = path.join(path.resolve(options.workDir), "second-pass");
  const plan = await planOf(options, folder);
  const endMs = options.http.clock.now().getTime() + (options.maxMs ?? Number.POSITIVE_INFINITY);
  const ledger = new Ledger(path.join(folder, "parts.ndjson"));
  try {
    const done = new Map<number, Part>();
    for (const entry of (await ledger.read()) as Part[]) {
      if (await isThere(partFile(folder, entry.part), entry.sizeBytes)) done.set(entry.part, entry);
    }
    let bytes = [...done.values()].reduce((sum, part) => sum + part.sizeBytes, 0);
    const parts = Math.ceil(plan.references.length / PART_SIZE);
    const budget = {
      failuresInARow: 0,
      isSpent: (more: number): boolean =>
        bytes + more >= (options.maxBytes ?? 1024 ** 3) || options.http.clock.now().getTime() >= endMs,
    };
    let asked = 0;
    for (let part = 0; part < parts; part++) {
      const references = plan.references.slice(part * PART_SIZE, (part + 1) * PART_SIZE);
      if (!done.has(part)) {
        if (budget.isSpent(0)) break;
        const made = await fetchPart(options, folder, { part, references, budget });
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

type Miss = "missing" | "refused" | "failed" | "left";
type Read = Buffer | Miss;

/** What is left to spend, and how the server does. */
interface Budget {
  failuresInARow: number;
  /** With so many more bytes than are recorded. */
  isSpent(bytes: number): boolean;
}

/** One resource that cannot be had must not keep a run from its end; a server out of order must. */
async function readOrFail(options: SecondPassOptions, reference: string, budget: Budget): Promise<Read> {
  try {
    const found = await read(options, reference);
    budget.failuresInARow = 0;
    return found;
  } catch (error) {
    const isItsOwn = isLakeError(error) && !isLakeError(error, "source/unauthorized");
    if (!isItsOwn || options.signal?.aborted === true) throw error;
    if (++budget.failuresInARow >= MOST_FAILURES_IN_A_ROW) throw error;
    return "failed";
  }
}

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

interface PartToFetch {
  readonly part: number;
  readonly references: readonly string[];
  readonly budget: Budget;
}

async function fetchPart(
  options: SecondPassOptions,
  folder: string,
  { part, references, budget }: PartToFetch,
): Promise<Part> {
  const file = partFile(folder, part);
  const counts = { fetched: 0, missing: 0, refused: 0, failed: 0, left: 0 };
  const hash = createHash("sha256");
  let sizeBytes = 0;
  await mkdir(folder, { recursive: true });
  const handle = await open(`${file}.part`, "w");
  try {
    for (let at = 0; at < references.length; at += BLOCK_SIZE) {
      const block = references.slice(at, at + BLOCK_SIZE);
      if (budget.isSpent(sizeBytes)) {
        counts.left += block.length;
        continue;
      }
      const answers = await mapConcurrently(block, Math.max(1, options.concurrency ?? 4), (reference) =>
        readOrFail(options, reference, budget),
      );
      for (const answer of answers) {
        if (typeof answer === "string") {
          counts[answer]++;
          continue;
        }
        counts.fetched++;
        hash.update(answer);
        sizeBytes += answer.length;
        await handle.appendFile(answer);
      }
    }
    await handle.sync();
  } catch (error) {
    throw isLakeError(error) ? error : storageFailure("write", file, error);
  } finally {
    await handle.close();
  }
  try {
    await rename(`${file}.part`, file);
    await syncDirectory(folder);
  } catch (error) {
    throw storageFailure("write", file, error);
  }
  return { part, ...counts, sizeBytes, sha256: hash.digest("hex") };
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
    failed: sum(({ failed }) => failed),
    left: plan.left + notAsked + sum(({ left }) => left),
    unusable: plan.unusable,
  };
}
