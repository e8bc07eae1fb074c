import { execFileSync, spawn } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";

/** A Postgres server of the test's own. */
export interface PostgresServer {
  /** Address of a new, empty database. */
  database(): Promise<string>;
  stop(): Promise<void>;
}

const DEBIAN = "/usr/lib/postgresql";

/** The folder of initdb and postgres, or undefined when Postgres is not installed. */
function binaries(): string | undefined {
  const debian = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort().reverse() : [];
  const folders = [
    ...debian.map((version) => path.join(DEBIAN, version, "bin")),
    ...(process.env["PATH"] ?? "").split(":"),
  ];
  return folders.find(
    (folder) => existsSync(path.join(folder, "initdb")) && existsSync(path.join(folder, "postgres")),
  );
}

/** False when tests that need Postgres must be skipped; fails instead where services are required. */
export function postgresAvailable(): boolean {
  const found = binaries() !== undefined;
  if (!found && process.env["REQUIRE_SERVICES"] === "1")
    throw new Error("Postgres is required but not installed.");
  return found;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** Postgres refuses to run as root: then the system's own user for it, or nobody, runs it. */
function runAs(): { uid: number; gid: number } | undefined {
  if (userInfo().uid !== 0) return undefined;
  for (const name of ["postgres", "nobody"]) {
    try {
      const id = (flag: string): number => Number(execFileSync("id", [flag, name], { encoding: "utf8" }));
      return { uid: id("-u"), gid: id("-g") };
    } catch {
      // Not a user of this machine; the next may be.
    }
  }
  return undefined;
}

/** Starts a server on a free port with its data in a temporary folder. */
export async function startPostgres(): Promise<PostgresServer> {
  const bin = binaries()!;
  const user = runAs();
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
