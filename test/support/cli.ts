import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";

/** The built command line; `npm test` builds it before the tests run. */
export const CLI = path.resolve(import.meta.dirname, "../../dist/src/app/cli/main.js");

/** What a finished command left. */
export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts `fhir-lake` with arguments; `finished` resolves when it ends, however it ends. */
export function startCli(
  args: readonly string[],
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly cwd?: string;
    readonly stdin?: string | Buffer;
  } = {},
): { readonly child: ChildProcess; readonly finished: Promise<Finished> } {
  const child = spawn(process.execPath, [CLI, ...args], {
    env: { ...process.env, NODE_OPTIONS: "", ...options.env },
    cwd: options.cwd,
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.end(options.stdin ?? "");
  child.stdin.on("error", () => undefined);
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => (stdout += String(chunk)));
  child.stderr.on("data", (chunk) => (stderr += String(chunk)));
  const finished = new Promise<Finished>((resolve) => {
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, finished };
}

/** Runs a command to its end. */
export function cli(args: readonly string[], options?: Parameters<typeof startCli>[1]): Promise<Finished> {
  return startCli(args, options).finished;
}
