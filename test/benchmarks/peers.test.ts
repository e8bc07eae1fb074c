import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { peersBelow } from "../../benchmarks/views/peers/engines.js";
import { type Engine, runEngine } from "../../benchmarks/views/peers/run-engine.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "peers-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function program(place: string, text: string): string {
  const file = path.join(folder, place);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, 0o755);
  return file;
}

describe("the peers below a folder", () => {
  it("are those whose folders are whole; what the others lack is told", () => {
    mkdirSync(path.join(folder, "sql-on-fhir-v2", "sof-js", "node_modules"), { recursive: true });
    program("pathling/bin/python", "#!/bin/sh\n");
    const { installed, absent } = peersBelow(folder);
    expect(installed.map(({ name }) => name)).toEqual(["reference"]);
    expect(installed[0]!.environment).toEqual({ FHIR_LAKE_PEER_HOME: path.join(folder, "sql-on-fhir-v2") });
    expect(absent).toHaveLength(3);
    expect(absent).toContain(`Pathling: no ${path.join(folder, "pathling", "jars")}`);
  });

  it("run in the Python of their own environment when their program is one", () => {
    const python = program("pathling/bin/python", "#!/bin/sh\n");
    mkdirSync(path.join(folder, "pathling", "jars"));
    const [engine] = peersBelow(path.relative(process.cwd(), folder)).installed;
    expect(engine!.command).toBe(python);
    expect(readFileSync(engine!.args[0]!, "utf8")).toContain("pathling");
  });

  it("are asked for in vain where none of them is: the folder was named by mistake", () => {
    expect(() => peersBelow(folder)).toThrow(/has none of the peers .*benchmarks\/views\/README\.md/);
  });
});

describe("an engine", () => {
  it("counts what comes after its warm-ups as warm, and the first evaluation as cold", async () => {
    const file = program(
      "engine.mjs",
      `const [view, input, output, runs, rest] = process.argv.slice(2);
       console.log("noise");
       console.log(JSON.stringify({ event: "ready", version: [view, input, output, runs, rest].join(" ") }));
       for (let run = 1; run <= Number(runs); run++) console.log(JSON.stringify({ event: "run", wall: 1000 / 10 ** run }));`,
    );
    const engine: Engine = { name: "x", command: process.execPath, args: [file], warmUps: 2 };
    const cost = await runEngine(engine, ["view", "input", "output"], 2, ["rest"]);
    expect(cost.version).toBe("view input output 5 rest");
    expect(cost.warm).toBeCloseTo((0.1 + 0.01) / 2);
  });

  it.each([
    ["throw new Error('no such column: x');", "no such column: x"],
    [
      "console.error('[Error: Binder Error: no column\\nLINE 2: …\\n ^]'); process.exit(1);",
      "Binder Error: no column",
    ],
    [
      "console.error('X: java.lang.RuntimeException: a\\n\\tat x.Y\\nCaused by: java.lang.AssertionError: b\\n\\tat z'); process.exit(1);",
      "AssertionError: b",
    ],
    ["console.error('cannot go on'); process.exit(3);", "ended with 3: cannot go on"],
    ["console.error('warning'); process.exit(0);", "ended with 0: warning"],
  ])("that fails or ends too early says why: %s", async (text, reason) => {
    const engine: Engine = { name: "x", command: process.execPath, args: [program("engine.mjs", text)] };
    await expect(runEngine(engine, [], 1)).rejects.toThrow(reason);
  });
});
