import { existsSync } from "node:fs";
import { link, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Database } from "#duckdb";
import { UnreliableRedis } from "./redis.js";

const MIB = 1 << 20;

/** How a world is built. */
export type Manner =
  /** Engines shared with other worlds, a lake in memory, the journal on the caller's thread: what is tested is the logic. */
  | "quick"
  /** Everything of its own and as `serve` has it: a lake on the disk, the journal in its thread, answers over HTTP. */
  | "plain";

/** An engine for reads, or for the work of a lake. */
export function openEngine(spill: string, preserveInsertionOrder: boolean): Promise<Database> {
  return Database.open({
    memoryLimitBytes: 512 * MIB,
    tempDirectory: spill,
    preserveInsertionOrder,
    threads: 1,
  });
}

/** A folder tree again under another name, with the same files: all of them are written once and never changed. */
async function copyOf(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [path.join(from, entry.name), path.join(to, entry.name)];
    if (entry.isDirectory()) await copyOf(source, target);
    else await link(source, target);
  }
}

/** What worlds share: engines that serve many of them one after the other, and a lake to begin with. One world at a time. */
export class Host {
  readonly folder: string;
  /** Answers reads, and holds the live tables. */
  reads: Database;
  /** Does the lakes' work. */
  writes: Database;
  /** Where the worlds' processes share live versions; without it each follows the journal. */
  readonly redis: UnreliableRedis | undefined;
  private made = 0;

  private constructor(folder: string, reads: Database, writes: Database, redis: UnreliableRedis | undefined) {
    this.redis = redis;
    this.folder = folder;
    this.reads = reads;
    this.writes = writes;
  }

  static async open(options: { readonly redis?: boolean } = {}): Promise<Host> {
    // A folder in memory where there is one.
    const folder = await mkdtemp(
      path.join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "fhir-lake-invariant-"),
    );
    const redis = options.redis === true ? await UnreliableRedis.open() : undefined;
    return new Host(folder, await openEngine(folder, true), await openEngine(folder, false), redis);
  }

  /** An empty folder for a world. */
  async place(manner: Manner): Promise<string> {
    if (manner === "plain") return mkdtemp(path.join(tmpdir(), "fhir-lake-invariant-"));
    const folder = path.join(this.folder, `world-${++this.made}`);
    await mkdir(folder);
    return folder;
  }

  /** Makes `folder` a lake with the first commit that `begin` makes; that is made once and copied. */
  async beginLake(folder: string, begin: (folder: string) => Promise<void>): Promise<void> {
    const pattern = path.join(this.folder, "pattern");
    if (!existsSync(pattern)) await begin(pattern);
    await copyOf(pattern, folder);
  }

  /** New engines: one that served thousands of worlds keeps what it allocated for them. */
  async renewEngines(): Promise<void> {
    this.reads.close();
    this.writes.close();
    this.reads = await openEngine(this.folder, true);
    this.writes = await openEngine(this.folder, false);
  }

  async close(): Promise<void> {
    await this.redis?.stop();
    this.reads.close();
    this.writes.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
