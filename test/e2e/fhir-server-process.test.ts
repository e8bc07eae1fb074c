import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { exportManifest } from "../support/fhir-server/testing.js";

const MAIN = path.resolve(import.meta.dirname, "../../dist/test/support/fhir-server/main.js");

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "fhir-server-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function start(args: readonly string[]) {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  const exit = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return { child, exit, url: (JSON.parse(line.toString()) as { url: string }).url };
}

describe("the FHIR test server as a process", () => {
  it("serves files left on disk byte for byte and ends with its input", async () => {
    const lines = Array.from(
      { length: 500 },
      (_, n) => `{"resourceType":"Observation","id":"o${n}", "valueQuantity":{"value":${n}.10}}`,
    );
    writeFileSync(path.join(folder, "Observation.ndjson"), `${lines.join("\r\n")}\r\n\r\n`);
    writeFileSync(path.join(folder, "log.ndjson"), "{}\n");
    const { child, exit, url } = await start(["--on-disk", "--polls", "0", "--rows-per-file", "300", folder]);
    const { manifest } = await exportManifest(`${url}/$export?_type=Observation`);
    expect(manifest.output.map(({ count }) => count)).toEqual([300, 200]);
    const texts = await Promise.all(manifest.output.map(async (file) => (await fetch(file.url)).text()));
    expect(texts.join("").split("\n").slice(0, -1)).toEqual(lines);
    child.stdin.end();
    expect(await exit).toEqual([0, null]);
  });

  it("dies in the midst of a request when the script says so", async () => {
    const { exit, url } = await start([]);
    await fetch(new URL("/_admin/faults", url), {
      method: "POST",
      body: JSON.stringify({ match: { path: "/fhir/Patient" }, occurrences: [2], fault: { kind: "exit" } }),
    });
    expect((await fetch(`${url}/Patient`)).status).toBe(200);
    await expect(fetch(`${url}/Patient`)).rejects.toThrow();
    expect(await exit).toEqual([null, "SIGKILL"]);
  });
});
