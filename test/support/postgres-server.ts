import { execFileSync, spawn } from "node:child_process";
import { chownSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { freePort } from "./free-port.js";
import { postgresPrograms, postgresUser } from "./postgres-programs.js";

/** A Postgres server of the test's own. */
export interface PostgresServer {
  /** Address of a new, empty database. */
  database(): Promise<string>;
  stop(): Promise<void>;
}

/** False when tests that need Postgres must be skipped; fails instead where services are required. */
export function postgresAvailable(): boolean {
  const found = postgresPrograms() !== undefined;
  if (!found && process.env["REQUIRE_SERVICES"] === "1")
    throw new Error("Postgres is required but not installed.");
  return found;
}

/** Starts a server on a free port with its data in a temporary folder. */
export async function startPostgres(): Promise<PostgresServer> {
  const bin = postgresPrograms()!;
  const user = postgresUser();
  const folder = mkdtempSync(path.join(tmpdir(), "fhir-lake-postgres-"));
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  const data = path.join(folder, "data");
  const options = { ...(user ?? {}), cwd: folder };
  execFileSync(
    path.join(bin, "initdb"),
    ["-D", data, "-U", "lake", "-A", "trust", "-E", "UTF8", "--locale=C"],
    {
      ...options,
      stdio: "ignore",
    },
  );
  const port = await freePort();
  const server = spawn(
    path.join(bin, "postgres"),
    [
      "-D",
      data,
      "-p",
      String(port),
      "-c",
      "listen_addresses=127.0.0.1",
      "-c",
      `unix_socket_directories=${folder}`,
    ],
    { ...options, stdio: "ignore" },
  );
  const address = (name: string): string => `postgres://lake@127.0.0.1:${port}/${name}`;
  for (let attempt = 0; ; attempt++) {
    const client = new pg.Client({ connectionString: address("postgres") });
    try {
      await client.connect();
      await client.end();
      break;
    } catch (error) {
      await client.end().catch(() => undefined);
      if (attempt === 200) throw error;
      await sleep(50);
    }
  }
  let databases = 0;
  return {
    database: async () => {
      const name = `lake${databases++}`;
      const client = new pg.Client({ connectionString: address("postgres") });
      await client.connect();
      await client.query(`CREATE DATABASE ${name}`);
      await client.end();
      return address(name);
    },
    stop: async () => {
      const ended = new Promise((resolve) => server.once("exit", resolve));
      server.kill("SIGINT");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
