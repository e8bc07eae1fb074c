import { closeSync, openSync, readSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { LakeError } from "#kernel";
import { unreadable } from "../errors.js";
import type { BundleMode } from "../pipeline/settings.js";
import { isGzip } from "./byte-source.js";

/** The name that stands for standard input among the inputs. */
export const STDIN = "-";

/** How the text of an input is divided. `detect`: one JSON document, or lines when its first line is a whole JSON value. */
export type InputLayout = "lines" | "detect";

/** One file to read (or standard input). */
export interface InputFile {
  /** As the user wrote it; for a file inside a folder, the folder as written and the path below it. */
  readonly name: string;
  /** Where to open it; `-` is standard input. */
  readonly path: string;
  /** Size on the disk; undefined for standard input. */
  readonly sizeBytes: number | undefined;
  /** Told by the first bytes, not by the name. */
  readonly gzip: boolean;
  readonly layout: InputLayout;
  /** The name says `.json`: Bundles in it are taken apart unless told otherwise. */
  readonly json: boolean;
  /** What the caller wants done with this input's Bundles; the run's own mode when absent. */
  readonly bundles?: BundleMode | undefined;
}

/** An input as the caller names it: a path, or a path with what is to be done with the Bundles in it. */
export type InputName = string | { readonly path: string; readonly bundles: BundleMode };

const IN_FOLDERS = /\.(ndjson|jsonl|json)(\.gz)?$/i;

function describe(name: string, sizeBytes: number, bundles: BundleMode | undefined): InputFile {
  const plainName = name.replace(/\.gz$/i, "").toLowerCase();
  return {
    name,
    path: name,
    sizeBytes,
    gzip: isGzip(firstBytes(name)),
    layout: plainName.endsWith(".ndjson") || plainName.endsWith(".jsonl") ? "lines" : "detect",
    json: plainName.endsWith(".json"),
    bundles,
  };
}

function firstBytes(file: string): Buffer {
  const head = Buffer.alloc(2);
  try {
    const fd = openSync(file, "r");
    try {
      return head.subarray(0, readSync(fd, head, 0, 2, 0));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw unreadable(file, error);
  }
}

/** Collects the files of one run, each once however often (and through however many links) it is named. */
class InputCollector {
  readonly files: InputFile[] = [];
  private readonly seen = new Set<string>();
  /** Of the input that is being collected. */
  bundles: BundleMode | undefined;

  /** Answers whether there was anything to read, counting what is collected already. */
  async add(name: string, inFolder: boolean): Promise<boolean> {
    const wanted = !inFolder || IN_FOLDERS.test(name);
    try {
      const info = await stat(name);
      const first = this.isNew(`${info.dev}:${info.ino}`);
      if (info.isDirectory()) return first ? await this.addFolder(name) : true;
      if (!wanted) return false;
      if (!info.isFile()) throw notAFile(name);
      if (first) this.files.push(describe(name, info.size, this.bundles));
      return true;
    } catch (error) {
      // A dangling link that would not be read anyway is none of the run's business.
      if (!wanted && (error as NodeJS.ErrnoException).code === "ENOENT") return false;
      throw error instanceof LakeError ? error : unreadable(name, error);
    }
  }

  addStdin(): void {
    if (!this.isNew(STDIN)) return;
    this.files.push({
      name: STDIN,
      path: STDIN,
      sizeBytes: undefined,
      gzip: false,
      layout: "detect",
      json: false,
      bundles: this.bundles,
    });
  }

  private isNew(identity: string): boolean {
    if (this.seen.has(identity)) return false;
    this.seen.add(identity);
    return true;
  }

  private async addFolder(name: string): Promise<boolean> {
    let found = false;
    // Sorted by code unit, so that the order of the records does not hang on the file system or the locale.
    for (const entry of (await readdir(name)).sort()) {
      if (!entry.startsWith(".") && (await this.add(path.join(name, entry), true))) found = true;
    }
    return found;
  }
}

function notAFile(name: string): LakeError {
  return new LakeError(
    "invalid-input",
    "ingestion/unreadable-input",
    `'${name}' is neither a file nor a folder; to read from a pipe, send it to standard input and name -.`,
  );
}

/**
 * The files behind the given paths, in reading order: paths in the given order, folders recursively in name order
 * (`.ndjson`, `.jsonl`, `.json`, each also with `.gz`; other and hidden files in folders are passed over, a file named
 * itself is always read), `-` for standard input. Every file is opened once, so that an unreadable one stops the run
 * before it starts. Errors: `ingestion/input-not-found`, `ingestion/unreadable-input`, `ingestion/no-input`.
 */
export async function probeInputs(inputs: readonly InputName[]): Promise<readonly InputFile[]> {
  if (inputs.length === 0) {
    throw new LakeError(
      "invalid-input",
      "ingestion/no-input",
      "Name at least one file or folder to ingest, or - .",
    );
  }
  const collector = new InputCollector();
  for (const input of inputs) {
    const name = typeof input === "string" ? input : input.path;
    collector.bundles = typeof input === "string" ? undefined : input.bundles;
    if (name === STDIN) collector.addStdin();
    else if (!(await collector.add(name, false))) {
      throw new LakeError(
        "invalid-input",
        "ingestion/no-input",
        `'${name}' holds no .ndjson, .jsonl or .json file (plain or .gz); name the folder of the export or a file.`,
      );
    }
  }
  return collector.files;
}
