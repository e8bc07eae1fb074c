import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chownSync, existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { freePort } from "../../test/support/free-port.js";
import { postgresPrograms, postgresUser } from "../../test/support/postgres-programs.js";

/** For a machine of its own with 8 GiB and more, after the advice of PostgreSQL's manual; durable but for the last half second. */
const SETTINGS = {
  shared_buffers: "1GB",
  effective_cache_size: "4GB",
  work_mem: "32MB",
  maintenance_work_mem: "512MB",
  max_wal_size: "4GB",
  synchronous_commit: "off",
  // For a solid state disk, and for many short statements.
  random_page_cost: "1.1",
  effective_io_concurrency: "200",
  jit: "off",
  listen_addresses: "127.0.0.1",
} as const;

/** A database server of the benchmark's own. */
export interface Postgres {
  /** For JDBC. */
  readonly jdbcUrl: string;
  readonly pid: number;
  readonly version: string;
  /** Runs statements one after the other; answers the rows of the last. */
  query(...statements: readonly string[]): Promise<Record<string, unknown>[]>;
  /** Does nothing the second time. */
  stop(): Promise<void>;
}

function programs(): string {
  const found = postgresPrograms();
  if (found !== undefined) return found;
  throw new Error("HAPI is measured on PostgreSQL, which is not installed here (initdb was not found).");
}

async function query(port: number, statements: readonly string[]): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ host: "127.0.0.1", port, user: "hapi", database: "postgres" });
  await client.connect();
  try {
    let rows: Record<string, unknown>[] = [];
    for (const statement of statements) rows = (await client.query<Record<string, unknown>>(statement)).rows;
    return rows;
  } finally {
    await client.end();
  }
}

async function untilAnswering(port: number, child: ChildProcess): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    try {
      const [row] = await query(port, ["SHOW server_version"]);
      return String(row?.["server_version"]);
    } catch (error) {
      if (attempt === 600 || child.exitCode !== null) throw error;
      await sleep(100);
    }
  }
}

/** Starts PostgreSQL with its data in a folder, which is made when it is not there. */
export async function startPostgres(folder: string): Promise<Postgres> {
  const bin = programs();
  const user = postgresUser();
  const data = path.join(folder, "data");
  mkdirSync(folder, { recursive: true });
  const options = { ...user, cwd: folder };
  if (!existsSync(data)) {
    if (user !== undefined) chownSync(folder, user.uid, user.gid);
    const args = ["-D", data, "-U", "hapi", "-A", "trust", "-E", "UTF8", "--locale=C"];
    execFileSync(path.join(bin, "initdb"), args, { ...options, stdio: "ignore" });
  }
  const port = await freePort();
  const settings = Object.entries({ ...SETTINGS, unix_socket_directories: folder });
  const child = spawn(
    path.join(bin, "postgres"),
    ["-D", data, "-p", String(port), ...settings.flatMap(([name, value]) => ["-c", `${name}=${value}`])],
    { ...options, stdio: "ignore" },
  );
  // Whoever ends the benchmark early must not leave a database behind.
  const endToo = (): void => void child.kill("SIGINT");
  process.once("exit", endToo);
  const version = await untilAnswering(port, child);
  return {
    jdbcUrl: `jdbc:postgresql://127.0.0.1:${port}/postgres?user=hapi`,
    pid: child.pid!,
    version,
    query: (...statements) => query(port, statements),
    stop: async () => {
      process.off("exit", endToo);
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGINT");
      await ended;
    },
  };
}
