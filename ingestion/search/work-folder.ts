import { createHash } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { isLakeError } from "#kernel";
import { emptyFolder, readState, writeState } from "../source/state-file.js";

const STATE = "state.json";
const FORMAT = 1;

interface Envelope<State> {
  readonly format: number;
  readonly client: "search";
  /** Of the request: another request must not go on with these files. */
  readonly request: string;
  readonly state: State;
}

/** A hash of what was asked for: equal requests may resume each other. */
export function requestHash(request: unknown): string {
  return createHash("sha256").update(JSON.stringify(request)).digest("hex");
}

/** The JSON of a file; undefined when it is not there or damaged: either way there is nothing to go on with. */
async function readJson(file: string): Promise<unknown> {
  try {
    return await readState(file);
  } catch (error) {
    if (isLakeError(error, "source/damaged-state")) return undefined;
    throw error;
  }
}

/** Removes everything in a work folder but the folder. A folder that is not there is empty. */
export async function emptyWork(dir: string): Promise<void> {
  // The state goes first: files without it are thrown away by the next run, a state without its files would mislead it.
  await rm(path.join(dir, STATE), { force: true });
  await emptyFolder(dir);
}

/** The persistent folder of one fetch: a state, and small progress notes beside the files they are about. */
export class WorkFolder<State> {
  readonly dir: string;
  private readonly request: string;
  /** What an earlier call with the same request left; undefined at the first. */
  readonly earlier: State | undefined;
  private saving: Promise<void> = Promise.resolve();

  private constructor(dir: string, request: string, earlier: State | undefined) {
    this.dir = dir;
    this.request = request;
    this.earlier = earlier;
  }

  /** Opens the folder, empties it when it holds the work of another request. */
  static async open<State>(dir: string, request: string): Promise<WorkFolder<State>> {
    await mkdir(dir, { recursive: true });
    const found = (await readJson(path.join(dir, STATE))) as Partial<Envelope<State>> | undefined;
    const same = found?.format === FORMAT && found.client === "search" && found.request === request;
    if (!same) await emptyWork(dir);
    return new WorkFolder(dir, request, same ? found.state : undefined);
  }

  /** Replaces the state. Calls are carried out one after the other; `state` is read when its turn comes. */
  save(state: () => State): Promise<void> {
    const envelope = (): Envelope<State> => ({
      format: FORMAT,
      client: "search",
      request: this.request,
      state: state(),
    });
    const turn = this.saving.then(() => writeState(path.join(this.dir, STATE), envelope()));
    this.saving = turn.catch(() => undefined);
    return turn;
  }

  path(name: string): string {
    return path.join(this.dir, name);
  }

  readNote(name: string): Promise<unknown> {
    return readJson(this.path(name));
  }

  /** Forgets the beginning of a file. */
  async removeNote(name: string): Promise<void> {
    await rm(this.path(`${name}.note`), { force: true });
  }

  writeNote(name: string, value: unknown): Promise<void> {
    return writeState(this.path(name), value);
  }
}
