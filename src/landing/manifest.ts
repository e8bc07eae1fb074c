import { open, readFile, rename } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { LakeError } from "#kernel";
import { storageFailure, syncDirectory } from "#storage";
import { corruptLanding } from "./errors.js";

/** Name of the file that makes a landing complete; it is written last. */
export const MANIFEST_NAME = "landing.json";
/** Name of the file with the refused pieces of input, one JSON object per line; absent when there are none. */
export const QUARANTINE_NAME = "quarantine.ndjson";

const count = z.int().nonnegative();

const countsSchema = z.strictObject({
  lines: count,
  blank: count,
  quarantined: count,
  accepted: count,
  unpacked: count,
  entries: count,
  skipped: count,
});

const manifestSchema = z.strictObject({
  version: z.literal(1),
  sequence: count,
  source: z.string(),
  policy: z.enum(["time", "version"]),
  acceptedAt: z.iso.datetime(),
  transactionTime: z.string().optional(),
  fhirVersion: z.string(),
  files: z.array(
    z.strictObject({
      type: z.string(),
      path: z.string(),
      rows: count,
      sizeBytes: count,
      maxRecordBytes: count,
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  ),
  observed: z.record(z.string(), z.array(z.string())),
  unknownElements: z.record(z.string(), z.record(z.string(), count)),
  counts: countsSchema,
  inputs: z.array(z.strictObject({ name: z.string(), sizeBytes: count.nullable() })),
  problems: z.array(z.strictObject({ input: z.string(), code: z.string(), message: z.string() })),
});

/**
 * What became of the input, piece by piece. A piece is a line, a whole JSON document, or an entry of an unpacked
 * Bundle; always `lines + entries = blank + unpacked + skipped + accepted + quarantined`.
 */
export interface LandingCounts {
  /** Lines of NDJSON, blank ones included; a document that is not NDJSON counts as one line. */
  readonly lines: number;
  readonly blank: number;
  /** Lines and entries that were refused; each has a record in `quarantine.ndjson`. */
  readonly quarantined: number;
  /** Records in the landing files, deletes included. */
  readonly accepted: number;
  /** Lines and documents that were Bundles and were taken apart; their entries count for themselves. */
  readonly unpacked: number;
  /** Entries of the unpacked Bundles. */
  readonly entries: number;
  /** Entries that carry nothing to store: no resource and no delete, or the OperationOutcome of a search. */
  readonly skipped: number;
}

/** One landing file; `path` is relative to the landing folder. */
export interface LandingFile {
  readonly type: string;
  readonly path: string;
  readonly rows: number;
  readonly sizeBytes: number;
  /** Size of the longest record with its line end; readers size their buffers by it. */
  readonly maxRecordBytes: number;
  /** Lowercase hex. */
  readonly sha256: string;
}

/** Something that was wrong with an input as a whole, such as a gzip file cut short. */
export interface LandingProblem {
  readonly input: string;
  /** The quarantine reason that goes with it. */
  readonly code: string;
  readonly message: string;
}

/** The content of `landing.json`: all that is needed to commit a landing without looking at its inputs again. */
export interface LandingManifest {
  readonly version: 1;
  readonly sequence: number;
  readonly source: string;
  readonly policy: "time" | "version";
  /** ISO 8601 in UTC. */
  readonly acceptedAt: string;
  /** The export's own time, as written by its server; present when the caller knew it. */
  readonly transactionTime?: string | undefined;
  readonly fhirVersion: string;
  readonly files: readonly LandingFile[];
  /** Per resource type the dotted JSON paths that carry a value in at least one accepted resource, sorted. */
  readonly observed: Readonly<Record<string, readonly string[]>>;
  /** Per resource type the elements its definition does not know, with the number of times each was met (bounded). */
  readonly unknownElements: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly counts: LandingCounts;
  /** In the order they were read; the size is null where it could not be known (standard input). */
  readonly inputs: readonly { readonly name: string; readonly sizeBytes: number | null }[];
  readonly problems: readonly LandingProblem[];
}

/**
 * Writes `landing.json` so that it is there whole or not at all, even after a power loss: a temporary file is forced
 * to the disk, renamed, and the folder forced to the disk. Call it after every other file of the landing is durable.
 */
export async function writeManifest(landingDir: string, manifest: LandingManifest): Promise<void> {
  const target = path.join(landingDir, MANIFEST_NAME);
  const temporary = `${target}.tmp`;
  try {
    const handle = await open(temporary, "w");
    try {
      await handle.writeFile(`${JSON.stringify(manifest)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, target);
    await syncDirectory(landingDir);
  } catch (error) {
    throw storageFailure("write", target, error);
  }
}

/**
 * The manifest of a landing folder. Errors: `landing/no-manifest` (the landing was never completed),
 * `landing/unknown-version` (written by a newer fhir-lake), `landing/bad-manifest`.
 */
export async function readManifest(landingDir: string): Promise<LandingManifest> {
  const file = path.join(landingDir, MANIFEST_NAME);
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw storageFailure("read", file, error);
    throw new LakeError(
      "not-found",
      "landing/no-manifest",
      `'${landingDir}' is not a complete landing; ingest again.`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw corruptLanding("landing/bad-manifest", `'${file}' is not JSON; ingest again.`, error);
  }
  const version = (value as { version?: unknown } | null)?.version;
  if (typeof version === "number" && version > 1) {
    throw new LakeError(
      "unsupported",
      "landing/unknown-version",
      `'${file}' has format ${version}; upgrade fhir-lake.`,
    );
  }
  const parsed = manifestSchema.safeParse(value);
  if (!parsed.success) {
    throw corruptLanding("landing/bad-manifest", `'${file}' is damaged; ingest again.`, parsed.error);
  }
  return parsed.data;
}
