import { createHash } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import path from "node:path";
import { storageFailure } from "#storage";

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

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as unknown;
  } catch {
    // Not there, or torn by a power loss: either way there is nothing to go on with.
    return undefined;
  }
}

/** Writes JSON so that it is there whole or not at all. */
async function writeJson(file: string, value: unknown): Promise<void> {
  const temporary = `${file}.tmp`;
  try {
    const handle = await open(temporary, "w");
    try {
      await handle.writeFile(`${JSON.stringify(value)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    throw storageFailure("write", file, error);
  }
}

/** Removes everything in a work folder but the folder. A folder that is not there is empty. */
export async function emptyFolder(dir: string): Promise<void> {
  // The state goes first: files without it are thrown away by the next run, a state without its files would mislead it.
  await rm(path.join(dir, STATE), { force: true });
  const names = await readdir(dir).catch(() => []);
  await Promise.all(names.map((name) => rm(path.join(dir, name), { recursive: true, force: true })));
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
    if (!same) await emptyFolder(dir);
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
    const turn = this.saving.then(() => writeJson(path.join(this.dir, STATE), envelope()));
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
    return writeJson(this.path(name), value);
  }
}
