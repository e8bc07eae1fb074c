import { rm, stat } from "node:fs/promises";
import path from "node:path";
import { damagedState, emptyFolder, Ledger, readState, writeState } from "../source/state-file.js";
import type { ManifestSection } from "./manifest.js";

/** A file of the manifest and where it goes. */
export interface FileState {
  /** Name below the folder of files; unique over all jobs of an export. */
  readonly name: string;
  readonly section: ManifestSection;
  readonly type?: string;
  readonly count?: number;
  /** Where it is now; servers renew these. */
  readonly url: string;
}

/** A page of the manifest. */
export interface PageState {
  readonly url: string;
  readonly requiresAccessToken: boolean;
  readonly hasDeleted: boolean;
  readonly files: readonly FileState[];
}

/** Where an export stands; replaced as a whole with every step. Finished files are in a ledger of their own. */
export interface ExportState {
  readonly version: 1;
  readonly requestHash: string;
  /** Jobs begun so far: a lost one is begun again. */
  readonly generation: number;
  /** When the first was asked for, by this machine's clock (ISO 8601): the deadline counts from here. */
  readonly startedAt: string;
  /** Polling URL of the job. */
  readonly pollUrl?: string;
  /** What is asked next: the polling URL or the next page of the manifest. */
  readonly nextUrl?: string;
  readonly transactionTime?: string;
  readonly pages: readonly PageState[];
  /** Calls that ended because a file of the job could not be used. */
  readonly damagedCalls?: number;
  /** All pages are here. */
  readonly complete: boolean;
}

/** A file that stands complete and checked. */
export interface FinishedFile {
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly lines: number;
}

type Json = Readonly<Record<string, unknown>>;

function isState(value: unknown): value is ExportState {
  const state = value as Json;
  return (
    typeof value === "object" &&
    value !== null &&
    state["version"] === 1 &&
    typeof state["requestHash"] === "string" &&
    Number.isInteger(state["generation"]) &&
    typeof state["startedAt"] === "string" &&
    typeof state["complete"] === "boolean" &&
    Array.isArray(state["pages"])
  );
}

function isFinished(value: unknown): value is FinishedFile {
  const file = value as Json;
  return (
    typeof value === "object" &&
    value !== null &&
    typeof file["name"] === "string" &&
    typeof file["sizeBytes"] === "number" &&
    typeof file["sha256"] === "string" &&
    typeof file["lines"] === "number"
  );
}

/** The folder of one export: `state.json`, `finished.ndjson` and `files/`. */
export class ExportWork {
  readonly folder: string;
  private readonly ledger: Ledger;
  private readonly finishedFiles = new Map<string, FinishedFile>();
  private current: ExportState | undefined;
  private sums = { lines: 0, bytes: 0 };

  private constructor(folder: string) {
    this.folder = folder;
    this.ledger = new Ledger(path.join(folder, "finished.ndjson"));
  }

  /** Opens what an earlier process left. Throws `source/damaged-state`. */
  static async open(folder: string): Promise<ExportWork> {
    const work = new ExportWork(path.resolve(folder));
    const state = await readState(work.stateFile);
    if (state === undefined) {
      // Files without a state are what a crash left of emptying the folder.
      await emptyFolder(work.folder);
      return work;
    }
    if (!isState(state)) throw damagedState(work.folder);
    work.current = state;
    for (const entry of await work.ledger.read()) {
      if (!isFinished(entry)) throw damagedState(work.folder);
      const place = work.pathOf(entry.name);
      const found = await stat(place).catch(() => undefined);
      if (found?.size === entry.sizeBytes) work.count(entry);
      // It must not be taken for one that was completed but not recorded.
      else await rm(place, { force: true });
    }
    return work;
  }

  get state(): ExportState | undefined {
    return this.current;
  }

  private get stateFile(): string {
    return path.join(this.folder, "state.json");
  }

  /** Absolute path of a file of this export. */
  pathOf(name: string): string {
    return path.join(this.folder, "files", name);
  }

  async save(state: ExportState): Promise<void> {
    await writeState(this.stateFile, state);
    this.current = state;
  }

  finished(name: string): FinishedFile | undefined {
    return this.finishedFiles.get(name);
  }

  get finishedCount(): number {
    return this.finishedFiles.size;
  }

  /** Lines and bytes of all finished files. */
  get totals(): { readonly lines: number; readonly bytes: number } {
    return this.sums;
  }

  async recordFinished(file: FinishedFile): Promise<void> {
    await this.ledger.append(file);
    this.count(file);
  }

  private count(file: FinishedFile): void {
    const before = this.finishedFiles.get(file.name);
    this.finishedFiles.set(file.name, file);
    this.sums.lines += file.lines - (before?.lines ?? 0);
    this.sums.bytes += file.sizeBytes - (before?.sizeBytes ?? 0);
  }

  private forgetFiles(): void {
    this.finishedFiles.clear();
    this.sums = { lines: 0, bytes: 0 };
  }

  /** Forgets files, and everything but the state, which goes last so that a crash in between is noticed. */
  async clear(): Promise<void> {
    await this.ledger.close();
    this.forgetFiles();
    await emptyFolder(this.folder, new Set(["state.json"]));
    await emptyFolder(this.folder);
    this.current = undefined;
  }

  /** Removes the files of an earlier job; the state stays. */
  async clearFiles(): Promise<void> {
    await this.ledger.close();
    this.forgetFiles();
    await emptyFolder(this.folder, new Set(["state.json"]));
  }

  close(): Promise<void> {
    return this.ledger.close();
  }
}
