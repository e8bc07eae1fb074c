import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { freePort } from "./free-port.js";

/** A Redis server of the test's own, and what can go wrong with one. */
export interface RedisServer {
  readonly url: string;
  /** Sends a command of its own connection. */
  command(name: string, ...args: (string | number)[]): Promise<unknown>;
  /** Writes everything to a file and answers its path. */
  dump(): Promise<string>;
  /** kill -9, without a word. */
  kill(): Promise<void>;
  /** Starts it again on the same port: empty, or from a dump. */
  start(dump?: string): Promise<void>;
  /** Stops and continues the process as the operating system would. */
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
}

/** False when tests that need Redis must be skipped; fails instead where services are required. */
export function redisAvailable(): boolean {
  try {
    execFileSync("redis-server", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    if (process.env["REQUIRE_SERVICES"] === "1") throw new Error("Redis is required but not installed.");
    return false;
  }
}

class LocalRedis implements RedisServer {
  readonly url: string;
  private readonly port: number;
  private readonly folder = mkdtempSync(path.join(tmpdir(), "fhir-lake-redis-"));
  private child: ChildProcess | undefined;
  private client: Redis | undefined;
  private dumps = 0;

  constructor(port: number) {
    this.port = port;
    this.url = `redis://127.0.0.1:${port}/0`;
  }

  async start(dump?: string): Promise<void> {
    const file = path.join(this.folder, "dump.rdb");
    rmSync(file, { force: true });
    if (dump !== undefined) copyFileSync(dump, file);
    const args = ["--port", String(this.port), "--bind", "127.0.0.1", "--dir", this.folder, "--save", ""];
    const child = spawn("redis-server", [...args, "--appendonly", "no"], { stdio: "ignore" });
    this.child = child;
    this.client = new Redis(this.url, { retryStrategy: () => 20, maxRetriesPerRequest: null, protocol: 2 });
    this.client.on("error", () => undefined);
    await this.client.ping();
  }

  async command(name: string, ...args: (string | number)[]): Promise<unknown> {
    return this.client!.call(name, args);
  }

  async dump(): Promise<string> {
    await this.command("SAVE");
    const kept = path.join(this.folder, `kept-${this.dumps++}.rdb`);
    copyFileSync(path.join(this.folder, "dump.rdb"), kept);
    return kept;
  }

  async kill(): Promise<void> {
    const child = this.child;
    this.client?.disconnect();
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  freeze(): void {
    this.child?.kill("SIGSTOP");
  }

  thaw(): void {
    this.child?.kill("SIGCONT");
  }

  async stop(): Promise<void> {
    await this.kill();
    for (let attempt = 0; existsSync(this.folder) && attempt < 5; attempt++) {
      rmSync(this.folder, { recursive: true, force: true });
      await sleep(10);
    }
  }
}

/** Starts a server on a free port; it keeps nothing unless told to {@link RedisServer.dump}. */
export async function startRedis(): Promise<RedisServer> {
  const server = new LocalRedis(await freePort());
  await server.start();
  return server;
}
