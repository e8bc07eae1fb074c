import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { builtLauncher } from "../../test/support/hapi-launcher.js";
import { type Postgres, startPostgres } from "./postgres.js";

/** The FHIR server that is measured. */
export interface FhirUnderTest {
  readonly url: string;
  /** Processes whose time counts; none for a server that runs elsewhere. */
  readonly pids: readonly number[];
  readonly versions: Readonly<Record<string, string>>;
  /** Bytes that its data take; undefined where that cannot be known. */
  storageBytes(): Promise<number | undefined>;
  /** After a load: what its documentation says to do then. */
  settle(): Promise<void>;
  /** Does nothing the second time. */
  stop(): Promise<void>;
}

const TEST_SERVER = fileURLToPath(new URL("../../test/support/fhir-server/main.js", import.meta.url));
const START_DEADLINE_MS = 300_000;
/** Resources per page that HAPI is set to allow; its paging default of 50 would punish large answers. */
export const LARGEST_PAGE = 1000;

/** Starts a process that prints a line of JSON with its `url` when it is ready, and ends when its standard input closes. */
async function startPrinting(
  command: string,
  args: readonly string[],
): Promise<{ url: string; child: ChildProcess }> {
  const env = { HAPI_LOG: "ERROR", ...process.env };
  const child = spawn(command, args, { env, stdio: ["pipe", "pipe", "inherit"] });
  const url = await new Promise<string>((resolve, reject) => {
    let output = "";
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`the FHIR server was not ready within ${START_DEADLINE_MS} ms`));
    }, START_DEADLINE_MS);
    child.once("exit", (code) => reject(new Error(`the FHIR server ended with ${code} before it was ready`)));
    child.stdout.on("data", (chunk) => {
      output += String(chunk);
      const line = /^\{.*\}$/m.exec(output)?.[0];
      if (line === undefined) return;
      clearTimeout(timer);
      resolve((JSON.parse(line) as { url: string }).url);
    });
  });
  child.removeAllListeners("exit");
  return { url, child };
}

function end(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
    child.once("exit", () => {
      clearTimeout(timer);
      resolve();
    });
    child.stdin?.end();
  });
}

/** The test server of this repository, for smoke runs; it keeps nothing. */
export async function startTestServer(): Promise<FhirUnderTest> {
  const { url, child } = await startPrinting(process.execPath, [
    TEST_SERVER,
    "--polls",
    "0",
    "--retry-after",
    "0",
  ]);
  return {
    url,
    pids: [child.pid!],
    versions: {
      fhirServer: "the test server of this repository: a smoke run, no figure of it means anything",
    },
    storageBytes: async () => undefined,
    settle: async () => undefined,
    stop: () => end(child),
  };
}

/**
 * HAPI on PostgreSQL with its data in a folder; built first where that was not done. Where it is to export it looks after its jobs every
 * second, else once a minute as HAPI does, so that this costs its questions nothing.
 */
export async function startHapi(
  folder: string,
  { exports }: { readonly exports: boolean },
): Promise<FhirUnderTest> {
  const launcher = await builtLauncher();
  const postgres: Postgres = await startPostgres(folder);
  const heap = process.env["FHIR_LAKE_BENCH_HAPI_HEAP"] ?? "4g";
  const flags = [
    `-Xms${heap}`,
    `-Xmx${heap}`,
    `-Dhapi.jdbcUrl=${postgres.jdbcUrl}`,
    `-Dhapi.largestPage=${LARGEST_PAGE}`,
    "-Dhapi.retryAfterSeconds=1",
    `-Dhapi.secondsBetweenJobPasses=${exports ? 1 : 60}`,
  ];
  try {
    const { url, child } = await startPrinting("java", [...flags, "-jar", launcher]);
    return {
      url,
      pids: [child.pid!, postgres.pid],
      versions: {
        fhirServer: "HAPI FHIR JPA 8.8.0",
        database: `PostgreSQL ${postgres.version}`,
        java: `heap ${heap}`,
      },
      storageBytes: async () => {
        const [row] = await postgres.query("SELECT pg_database_size('postgres') AS bytes");
        return Number(row?.["bytes"]);
      },
      settle: async () => void (await postgres.query("VACUUM ANALYZE")),
      stop: async () => {
        await end(child);
        await postgres.stop();
      },
    };
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}

/** A server that runs already; its processes are not measured. */
export function runningServer(url: string): FhirUnderTest {
  return {
    url,
    pids: [],
    versions: { fhirServer: "a server given by its address" },
    storageBytes: async () => undefined,
    settle: async () => undefined,
    stop: async () => undefined,
  };
}
