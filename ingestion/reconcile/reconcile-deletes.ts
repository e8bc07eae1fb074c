import { mapConcurrently } from "#kernel";
import type { OrderPolicy } from "#landing";
import { hashFile } from "#storage";
import type { FhirHttp } from "../http/index.js";
import { deleteLine, readResource } from "../search/index.js";
import type { FetchedFile, FetchProblem } from "../source/fetched.js";
import { writeLines } from "../source/write-lines.js";
import { checkDeleteCap, type DeleteCap, type TypeVanished } from "./delete-cap.js";
import { readVanished, type VanishedResource } from "./vanished-file.js";
import { isYounger, winningDelete } from "./winning-delete.js";

/** What to make deletes of. */
export interface ReconcileRequest {
  /** Lines `Type/id`, tab, order key: what the lake has and the source's list has not. */
  readonly vanishedFile: string;
  /** Types to be looked at; lines of others are passed over. */
  readonly types: readonly TypeVanished[];
  /** How the lake orders versions of this source. */
  readonly policy: OrderPolicy;
  /** FHIR instant: the server's time of the list. */
  readonly listedAt: string;
  readonly http: FhirHttp;
  /**
   * Which candidates are read before they count as deleted: `all`, or, where the list is known to be complete, the `younger` ones, whose
   * version in the lake is later than the list, so that its silence says nothing about them.
   */
  readonly confirm: "all" | "younger";
  readonly cap?: DeleteCap;
  /** The user has agreed that so much is gone. */
  readonly acceptDeletes?: boolean;
  /** The `changes` file to write. */
  readonly path: string;
  /** Reads at once. Default 4. */
  readonly concurrency?: number;
  readonly signal?: AbortSignal;
}

/** What became of the candidates, in counts. */
export interface ReconcileCounts {
  readonly deleted: number;
  /** Read and found alive: the list had missed them. */
  readonly live: number;
  /** The source does not let us read them (any more); they stay in the lake. */
  readonly hidden: number;
}

/** The deletes that were found. */
export interface ReconcileResult {
  /** Undefined when nothing was deleted. */
  readonly file: FetchedFile | undefined;
  readonly types: Readonly<Record<string, ReconcileCounts>>;
  readonly problems: readonly FetchProblem[];
}

const CHUNK = 256;

type Fate = keyof ReconcileCounts;

async function fateOf(request: ReconcileRequest, vanished: VanishedResource): Promise<Fate> {
  const { http, signal, confirm, policy, listedAt } = request;
  if (confirm === "younger" && !isYounger(vanished, policy, listedAt)) return "deleted";
  const { type, id } = vanished;
  const { kind } = await readResource({ http, type, id, ...(signal === undefined ? {} : { signal }) });
  if (kind === "live" || kind === "hidden") return kind;
  return "deleted";
}

async function* chunks(file: string, types: ReadonlySet<string>): AsyncGenerator<VanishedResource[]> {
  let chunk: VanishedResource[] = [];
  for await (const vanished of readVanished(file)) {
    if (!types.has(vanished.type)) continue;
    if (chunk.push(vanished) < CHUNK) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}

function problemsOf(types: ReconcileResult["types"]): FetchProblem[] {
  return Object.entries(types)
    .filter(([, { hidden }]) => hidden > 0)
    .map(([type, { hidden }]) => ({
      severity: "warning",
      type,
      message: `${hidden} ${type} are not listed and may not be read; they were not deleted from the lake.`,
    }));
}

/**
 * Turns the resources that a source's list of ids lacks into a `changes` file of deletes that win over the lake's versions. Candidates are
 * confirmed by reading them (410 and 404 are deletes) as asked for, in bounded memory. Errors: `source/too-many-deletes` before anything is
 * read, `source/bad-id-list`, those of requests.
 */
export async function reconcileDeletes(request: ReconcileRequest): Promise<ReconcileResult> {
  if (request.acceptDeletes !== true) checkDeleteCap(request.types, request.cap);
  const types: Record<string, Record<Fate, number>> = {};
  const named = new Set(request.types.map(({ type }) => type));
  async function* lines(): AsyncGenerator<string> {
    for await (const chunk of chunks(request.vanishedFile, named)) {
      request.signal?.throwIfAborted();
      const fates = await mapConcurrently(chunk, request.concurrency ?? 4, (one) => fateOf(request, one));
      for (const [i, vanished] of chunk.entries()) {
        const fate = fates[i]!;
        types[vanished.type] ??= { deleted: 0, live: 0, hidden: 0 };
        types[vanished.type]![fate]++;
        if (fate === "deleted") yield deleteLine(winningDelete(vanished, request.policy, request.listedAt));
      }
    }
  }
  const count = await writeLines(request.path, lines());
  const problems = problemsOf(types);
  if (count === 0) return { file: undefined, types, problems };
  const file: FetchedFile = {
    path: request.path,
    kind: "changes",
    lines: count,
    ...(await hashFile(request.path)),
  };
  return { file, types, problems };
}
