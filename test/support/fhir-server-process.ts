import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import type { RecordedRequest } from "./fhir-server/index.js";

const MAIN = path.resolve(import.meta.dirname, "../../dist/test/support/fhir-server/main.js");

/** The built test server as a process of its own, so that it lives on while a client is killed. */
export class FhirServerProcess {
  readonly url: string;
  private readonly child: ChildProcess;

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.child = child;
  }

  /** Starts it with command line arguments; see test/support/fhir-server/main.ts. */
  static start(args: readonly string[]): Promise<FhirServerProcess> {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["pipe", "pipe", "inherit"] });
    return new Promise((resolve, reject) => {
      let text = "";
      child.once("exit", (code) => reject(new Error(`the FHIR server ended with ${code}`)));
      child.stdout.on("data", (chunk) => {
        text += String(chunk);
        if (!text.includes("\n")) return;
        const { url } = JSON.parse(text.split("\n")[0]!) as { url: string };
        resolve(new FhirServerProcess(url, child));
      });
    });
  }

  private async admin(route: string): Promise<Response> {
    return fetch(new URL(`/_admin/${route}`, this.url));
  }

  async put(type: string, id: string, resource: Readonly<Record<string, unknown>>): Promise<void> {
    await fetch(`${this.url}/${type}/${id}`, {
      method: "PUT",
      headers: { "Content-Type": "application/fhir+json" },
      body: JSON.stringify({ resourceType: type, id, ...resource }),
    });
  }

  async delete(type: string, id: string): Promise<void> {
    await fetch(`${this.url}/${type}/${id}`, { method: "DELETE" });
  }

  /** Live resources as `Type/id version`, sorted. */
  async live(types: readonly string[]): Promise<string[]> {
    const found: string[] = [];
    for (const type of types) {
      const text = await (await this.admin(`ids?type=${type}`)).text();
      for (const line of text.split("\n")) {
        if (line !== "") found.push(`${type}/${line.split(" ").slice(0, 2).join(" ")}`);
      }
    }
    return found.sort();
  }

  async requests(): Promise<RecordedRequest[]> {
    return (await (await this.admin("requests")).json()) as RecordedRequest[];
  }

  async stop(): Promise<void> {
    const ended = new Promise<void>((resolve) => this.child.once("exit", () => resolve()));
    this.child.kill("SIGTERM");
    await ended;
  }
}
