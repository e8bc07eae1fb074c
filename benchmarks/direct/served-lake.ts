import { spawn } from "node:child_process";
import path from "node:path";
import { packageRoot } from "#kernel";

/** A lake served by `fhir-lake serve`, as users start it. */
export interface ServedLake {
  readonly url: string;
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

const CLI = path.join(packageRoot(), "dist", "src", "app", "cli", "main.js");

/** Starts `fhir-lake serve` over a lake; small counts are shown, because answers are compared. */
export async function serveLake(lake: string): Promise<ServedLake> {
  const args = [CLI, "serve", "--lake", lake, "--port", "0", "--small-cell", "0", "--json"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"] });
  const endToo = (): void => void child.kill("SIGTERM");
  process.once("exit", endToo);
  const url = await new Promise<string>((resolve, reject) => {
    let output = "";
    child.once("exit", (code) => reject(new Error(`fhir-lake serve ended with ${code}`)));
    child.stdout.on("data", (chunk) => {
      output += String(chunk);
      const found = /"url":\s*"([^"]+)"/.exec(output)?.[1];
      if (found !== undefined) resolve(found);
    });
  });
  child.removeAllListeners("exit");
  return {
    url,
    pids: [child.pid!],
    stop: () =>
      new Promise((resolve) => {
        child.once("exit", () => {
          process.off("exit", endToo);
          resolve();
        });
        child.kill("SIGTERM");
      }),
  };
}
