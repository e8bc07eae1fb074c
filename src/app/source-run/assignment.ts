import { open, readdir, readFile, rename, rm } from "node:fs/promises";
import path from "node:path";
import { storageFailure, syncDirectory } from "#storage";

/** A share of an assignment that is fetched, landed and committed as one. */
export interface Part {
  /** Its folder below the work folder. */
  readonly name: string;
  readonly types: readonly string[];
  /** Watermarks to go on from; types without one are fetched whole. */
  readonly since: Readonly<Record<string, string>>;
  /** True once everything of it is committed. */
  readonly done: boolean;
  /** True when it was committed although something of it is lacking. */
  readonly incomplete?: boolean;
  /** Watermarks that it was committed with. */
  readonly watermarks?: Readonly<Record<string, string>>;
}

/**
 * What a run has set out to fetch, kept beside the downloads so that the next run after a kill goes on with the very same request.
 * An unfinished assignment is always completed before a new one is made, unless the configuration asks for something else by now.
 */
export interface Assignment {
  readonly version: 1;
  /** Of the source's request and types. */
  readonly request: string;
  readonly kind: "bulk" | "search";
  /** Ask histories for deletes as well. */
  readonly history: boolean;
  /** Everything was asked for, whatever the watermarks said. */
  readonly full: boolean;
  /** True where the watermarks stay as they are, see `full`: an assignment before this one has moved them. */
  readonly keepsWatermarks?: boolean;
  /** Id of the loss in the source's changes that stood when this was made; one for everything makes up for it. */
  readonly loss?: string;
  readonly startedAt: string;
  /** The run that made it. */
  readonly run: string;
  readonly parts: readonly Part[];
}

/** True while a part goes on from the watermarks that stand, or has made them so: those of a lake that was set back are older. */
export function goesOnFrom(part: Part, standing: Readonly<Record<string, string>> | undefined): boolean {
  const own = part.done ? (part.watermarks ?? {}) : part.since;
  return Object.entries(own).every(([type, at]) => standing?.[type] === at);
}

const NAME = "assignment.json";

/** The unfinished assignment in a work folder; undefined when there is none. */
export async function readAssignment(workDir: string): Promise<Assignment | undefined> {
  try {
    const found = JSON.parse(await readFile(path.join(workDir, NAME), "utf8")) as Assignment;
    return found.version === 1 ? found : undefined;
  } catch (error) {
    // A torn file holds nothing to go on with.
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw storageFailure("read", path.join(workDir, NAME), error);
  }
}

/** Keeps the assignment; it is there whole or not at all, also after a power loss. */
export async function writeAssignment(workDir: string, assignment: Assignment): Promise<void> {
  const target = path.join(workDir, NAME);
  try {
    const handle = await open(`${target}.tmp`, "w");
    try {
      await handle.writeFile(`${JSON.stringify(assignment)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(`${target}.tmp`, target);
    await syncDirectory(workDir);
  } catch (error) {
    throw storageFailure("write", target, error);
  }
}

/** Forgets the assignment, then everything else in the work folder. */
export async function clearWork(workDir: string): Promise<void> {
  await rm(path.join(workDir, NAME), { force: true });
  for (const name of await readdir(workDir)) {
    await rm(path.join(workDir, name), { recursive: true, force: true });
  }
}

/** Forgets a completed assignment and its lists. Folders stay: one may hold a job that the server could not be told about. */
export async function clearAssignment(workDir: string): Promise<void> {
  await rm(path.join(workDir, NAME), { force: true });
  for (const entry of await readdir(workDir, { withFileTypes: true })) {
    if (entry.isFile()) await rm(path.join(workDir, entry.name), { force: true });
  }
}

/** The assignment with one part marked as done, completely or not. */
export function withDone(
  assignment: Assignment,
  part: string,
  { incomplete, watermarks }: Required<Pick<Part, "incomplete" | "watermarks">>,
): Assignment {
  const done = { done: true, incomplete, watermarks };
  const parts = assignment.parts.map((p) => (p.name === part ? { ...p, ...done } : p));
  return { ...assignment, parts };
}

/**
 * The parts of an assignment. A bulk export knows one `_since` for all its types, so types without a watermark are exported by themselves;
 * a search goes type by type anyway.
 */
export function planParts(
  kind: Assignment["kind"],
  types: readonly string[],
  watermarks: Readonly<Record<string, string>>,
): Part[] {
  const known = types.filter((type) => watermarks[type] !== undefined);
  const unknown = types.filter((type) => watermarks[type] === undefined);
  const groups = kind === "search" ? [types] : [unknown, known].filter((group) => group.length > 0);
  return groups.map((group, i) => ({
    name: `part-${i}`,
    types: group,
    since: Object.fromEntries(
      group.flatMap((type) => (watermarks[type] === undefined ? [] : [[type, watermarks[type]]])),
    ),
    done: false,
  }));
}

/** The earliest watermark of the types, as written; undefined when one of them has none. */
export function earliest(
  types: readonly string[],
  watermarks: Readonly<Record<string, string>>,
): string | undefined {
  const marks = types.flatMap((type) => watermarks[type] ?? []);
  if (marks.length < types.length) return undefined;
  return marks.sort((a, b) => Date.parse(a) - Date.parse(b))[0];
}
