import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { builtLauncher, isLauncherBuilt } from "./hapi-launcher.js";

/** A FHIR server that nobody here wrote: HAPI, empty, started for one test file. */
export interface RealServer {
  /** The base URL of its FHIR API, without a slash at its end. */
  readonly url: string;
  /** From start to the first answer, milliseconds; 0 for one that ran already. */
  readonly startMs: number;
  /** Resident memory in bytes now; undefined where the system does not tell or another process started it. */
  residentBytes(): Promise<number | undefined>;
  close(): Promise<void>;
}

/** Compiling little and collecting with one thread starts in half the processor time; polls of exports may come every two seconds. */
const JAVA_FLAGS = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx1500m", "-Dhapi.retryAfterSeconds=2"];
const START_DEADLINE_MS = 300_000;

/**
 * Why tests against the real server are skipped here, or undefined when they run. They run when FHIR_LAKE_REAL_SERVER is "1", or when
 * FHIR_LAKE_REAL_SERVER_URL names one that is running; with REQUIRE_SERVICES=1 what is missing is an error.
 */
export function realServerSkip(): string | undefined {
  if (process.env["FHIR_LAKE_REAL_SERVER_URL"] !== undefined) return undefined;
  if (process.env["FHIR_LAKE_REAL_SERVER"] !== "1") return "FHIR_LAKE_REAL_SERVER is not 1";
  const needed = isLauncherBuilt() ? ["java"] : ["java", "mvn"];
  const missing = needed.filter((tool) => !runs(tool));
  if (missing.length === 0) return undefined;
  const reason = `HAPI needs ${missing.join(" and ")}`;
  if (process.env["REQUIRE_SERVICES"] === "1") throw new Error(`${reason}, which this machine lacks.`);
  return reason;
}

function runs(tool: string): boolean {
  try {
    execFileSync(tool, ["-version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Starts HAPI (building it first if need be, which downloads about 300 MB once) and waits until it answers. */
export async function startRealServer(): Promise<RealServer> {
  const running = process.env["FHIR_LAKE_REAL_SERVER_URL"];
  if (running !== undefined)
    return { url: running, startMs: 0, residentBytes: async () => undefined, close: async () => undefined };
  const launcher = await builtLauncher();
  const started = Date.now();
  const child = spawn("java", [...JAVA_FLAGS, "-jar", launcher], { stdio: ["pipe", "pipe", "pipe"] });
  const url = await readyUrl(child);
  return {
    url,
    startMs: Date.now() - started,
    residentBytes: async () => residentBytes(child.pid),
    close: () => end(child),
  };
}

/** The URL that the launcher prints when it is ready. */
function readyUrl(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    let errors = "";
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`HAPI did not start within ${START_DEADLINE_MS} ms.\n${errors}`));
    }, START_DEADLINE_MS);
    child.stderr?.on("data", (chunk) => {
      errors = `${errors}${String(chunk)}`.slice(-4000);
    });
    child.stdout?.on("data", (chunk) => {
      output += String(chunk);
      const line = /^\{.*\}$/m.exec(output)?.[0];
      if (line === undefined) return;
      clearTimeout(timer);
      resolve((JSON.parse(line) as { url: string }).url);
    });
    child.once("exit", (code) => {
      clearTimeout(timer);
      reject(new Error(`HAPI ended with ${code} before it was ready.\n${errors}`));
    });
  });
}

async function residentBytes(pid: number | undefined): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const kilobytes = /VmRSS:\s+(\d+) kB/.exec(status)?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

/** The launcher ends when its input closes; it is killed when it does not. */
function end(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
    child.once("exit", () => {
      clearTimeout(timer);
      resolve();
    });
    child.stdin?.end();
  });
}
