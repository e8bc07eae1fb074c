import { closeSync, openSync, readSync } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import path from "node:path";
import { LakeError } from "#kernel";
import { unreadable } from "../errors.js";
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
}

const IN_FOLDERS = /\.(ndjson|jsonl|json)(\.gz)?$/i;

function describe(name: string, file: string, sizeBytes: number): InputFile {
  const plainName = name.replace(/\.gz$/i, "").toLowerCase();
  return {
    name,
    path: file,
    sizeBytes,
    gzip: isGzip(firstBytes(file)),
    layout: plainName.endsWith(".ndjson") || plainName.endsWith(".jsonl") ? "lines" : "detect",
    json: plainName.endsWith(".json"),
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

/** Collects the files of one run, each once however often it is named. */
class InputCollector {
  readonly files: InputFile[] = [];
  private readonly seen = new Set<string>();

  async add(name: string, inFolder: boolean): Promise<void> {
    try {
      const real = await realpath(name);
      if (this.seen.has(real)) return;
      const info = await stat(real);
      if (info.isDirectory()) {
        this.seen.add(real);
        await this.addFolder(name);
      } else if (!inFolder || IN_FOLDERS.test(name)) {
        this.seen.add(real);
        this.files.push(describe(name, name, info.size));
      }
    } catch (error) {
      throw error instanceof LakeError ? error : unreadable(name, error);
    }
  }

  private async addFolder(name: string): Promise<void> {
    const entries = await readdir(name);
    // Sorted by code unit, so that the order of the records does not hang on the file system or the locale.
    for (const entry of entries.sort()) await this.add(path.join(name, entry), true);
  }
}

/**
 * The files behind the given paths, in reading order: paths in the given order, folders recursively in name order
 * (`.ndjson`, `.jsonl`, `.json`, each also with `.gz`; other files in folders are passed over, a file named itself is
 * always read), `-` for standard input. Every file is opened once, so that an unreadable one stops the run before it
 * starts. Errors: `ingestion/input-not-found`, `ingestion/unreadable-input`, `ingestion/no-input`.
 */
export async function probeInputs(inputs: readonly string[]): Promise<readonly InputFile[]> {
  const collector = new InputCollector();
  for (const name of inputs) {
    const before = collector.files.length;
    if (name === STDIN) {
      const file = {
        name,
        path: STDIN,
        sizeBytes: undefined,
        gzip: false,
        layout: "detect",
        json: false,
      } as const;
      if (!collector.files.some((known) => known.path === STDIN)) collector.files.push(file);
      continue;
    }
    await collector.add(name, false);
    if (collector.files.length === before && !collector.files.some((file) => file.name.startsWith(name))) {
      throw new LakeError(
        "invalid-input",
        "ingestion/no-input",
        `'${name}' holds no .ndjson, .jsonl or .json file (plain or .gz); name the folder of the export or a file.`,
      );
    }
  }
  if (collector.files.length === 0) {
    throw new LakeError(
      "invalid-input",
      "ingestion/no-input",
      "Name at least one file or folder to ingest, or - .",
    );
  }
  return collector.files;
}
