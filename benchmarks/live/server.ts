import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** What a serving process has used so far: CPU in seconds, memory in bytes. */
export interface Usage {
  readonly cpu: number;
  readonly rss: number;
}

/** A lake served with live changes by a process of its own. */
export interface LiveServer {
  readonly url: string;
  /** Where notifications of the source `main` go. */
  readonly endpoint: string;
  usage(): Promise<Usage>;
  stop(): Promise<void>;
}

const SIDE = fileURLToPath(new URL("../sides/serve-live.js", import.meta.url));

function lineReader(child: ChildProcess): () => Promise<string> {
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  return async () => {
    const next = await lines.next();
    if (next.done === true) throw new Error("the server has ended");
    return next.value;
  };
}

/** Starts `sides/serve-live` over a lake. `profile`: a folder for its CPU profile. */
export async function startLiveServer(lake: string): Promise<LiveServer> {
  const profile = process.env["FHIR_LAKE_BENCH_PROFILE"];
  const flags = profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`];
  const child = spawn(process.execPath, [...flags, SIDE, lake], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const read = lineReader(child);
  const { url, endpoint } = JSON.parse(await read()) as { url: string; endpoint: string };
  return {
    url,
    endpoint,
    usage: async () => {
      child.stdin!.write("usage\n");
      return JSON.parse(await read()) as Usage;
    },
    stop: async () => {
      child.stdin!.end();
      await ended;
    },
  };
}
