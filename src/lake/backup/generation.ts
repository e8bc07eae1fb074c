import { LakeError } from "#kernel";
import type { ObjectStore } from "#storage";
import { isStorageNotFound } from "../not-found.js";
import { seal, unseal } from "../sealed.js";

/** One object of the lake as a backup holds it. */
export interface BackedUpObject {
  /** Key in the lake. */
  readonly key: string;
  /** Key in the backup: data files keep their unique names, everything small stands under its checksum. */
  readonly stored: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** A file that does not belong to the lake itself, such as a copy of the journal. */
export interface BackedUpExtra {
  readonly name: string;
  readonly stored: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** One backup: everything needed to bring the lake back as it was. The commit point of a backup; written once, last. */
export interface BackupGeneration {
  readonly version: 1;
  readonly sequence: number;
  /** ISO instant. */
  readonly createdAt: string;
  readonly tool: string;
  /** The snapshots it holds, ascending, with their commit ids. */
  readonly snapshots: readonly { readonly id: number; readonly commitId: string }[];
  readonly objects: readonly BackedUpObject[];
  readonly extras: readonly BackedUpExtra[];
  /** Ids of all erasures the lake knew. */
  readonly erasures: readonly string[];
}

const GENERATION = /^generations\/(\d{12})\.json$/;

/** Key of a generation in its target. */
export function generationKey(sequence: number): string {
  return `generations/${String(sequence).padStart(12, "0")}.json`;
}

/** Numbers of the complete backups in a target, ascending. */
export async function generations(target: ObjectStore): Promise<number[]> {
  const found: number[] = [];
  for await (const { key } of target.list("generations/")) {
    const match = GENERATION.exec(key);
    if (match !== null) found.push(Number(match[1]));
  }
  return found.sort((a, b) => a - b);
}

/** One backup's list of contents. Errors: `lake/no-such-backup`, `lake/damaged-backup`, `lake/newer-format`. */
export async function readGeneration(target: ObjectStore, sequence: number): Promise<BackupGeneration> {
  const key = generationKey(sequence);
  const bytes = await target.get(key).catch((cause: unknown) => {
    if (!isStorageNotFound(cause)) throw cause;
    throw new LakeError(
      "not-found",
      "lake/no-such-backup",
      `There is no backup ${sequence} in '${target.location}'.`,
      { cause },
    );
  });
  const generation = unseal(bytes) as BackupGeneration | undefined;
  if (generation === undefined) {
    throw new LakeError(
      "corrupt-data",
      "lake/damaged-backup",
      `The list of contents '${key}' in '${target.location}' was damaged; choose another backup with --generation.`,
      { details: { key } },
    );
  }
  if (generation.version > 1) {
    throw new LakeError(
      "unsupported",
      "lake/newer-format",
      `The backup in '${target.location}' was written by a newer fhir-lake; upgrade fhir-lake.`,
    );
  }
  return generation;
}

/** The newest backup of a target. Errors: `lake/no-such-backup` when there is none, and those of {@link readGeneration}. */
export async function newestGeneration(target: ObjectStore): Promise<BackupGeneration> {
  const newest = (await generations(target)).at(-1);
  if (newest === undefined) {
    throw new LakeError(
      "not-found",
      "lake/no-such-backup",
      `There is no complete backup in '${target.location}'; name the place given to fhir-lake backup.`,
    );
  }
  return readGeneration(target, newest);
}

/** Writes a generation under the next free number and gives it as written. */
export async function commitGeneration(
  target: ObjectStore,
  content: Omit<BackupGeneration, "version" | "sequence">,
): Promise<BackupGeneration> {
  for (let sequence = ((await generations(target)).at(-1) ?? 0) + 1; ; sequence++) {
    const generation: BackupGeneration = { version: 1, sequence, ...content };
    if ((await target.putIfAbsent(generationKey(sequence), seal(generation))) === "created")
      return generation;
  }
}
