import { mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { emptyFolder, Ledger, readState, writeState } from "./state-file.js";

const folder = (): Promise<string> => mkdtemp(path.join(tmpdir(), "fhir-lake-state-"));

describe("a state file", () => {
  it("is replaced as a whole and leaves nothing else behind", async () => {
    const dir = await folder();
    const file = path.join(dir, "deep", "state.json");
    expect(await readState(file)).toBeUndefined();
    await writeState(file, { step: 1 });
    await writeState(file, { step: 2 });
    expect(await readState(file)).toEqual({ step: 2 });
    expect(await readdir(path.dirname(file))).toEqual(["state.json"]);
  });

  it("that is damaged is refused with what to do", async () => {
    const file = path.join(await folder(), "state.json");
    await writeFile(file, '{"step":');
    await expect(readState(file)).rejects.toMatchObject({ code: "source/damaged-state" });
  });
});

describe("a ledger", () => {
  it("keeps lines in the order they were added, also at once", async () => {
    const file = path.join(await folder(), "a.ndjson");
    const ledger = new Ledger(file);
    await Promise.all([1, 2, 3, 4, 5].map((n) => ledger.append({ n })));
    await ledger.close();
    expect(await new Ledger(file).read()).toEqual([1, 2, 3, 4, 5].map((n) => ({ n })));
  });

  it("cut at any byte gives its whole lines, and goes on after them", async () => {
    const dir = await folder();
    const text = '{"n":1}\n{"n":"ä"}\n';
    const bytes = Buffer.from(text);
    for (let end = 0; end <= bytes.length; end++) {
      const file = path.join(dir, `${end}.ndjson`);
      await writeFile(file, bytes.subarray(0, end));
      const ledger = new Ledger(file);
      const whole = await ledger.read();
      await ledger.append({ n: 3 });
      await ledger.close();
      const expected = [{ n: 1 }, { n: "ä" }].slice(0, end < 8 ? 0 : end < bytes.length ? 1 : 2);
      expect(whole).toEqual(expected);
      expect(await new Ledger(file).read()).toEqual([...expected, { n: 3 }]);
      expect((await readFile(file, "utf8")).endsWith("\n")).toBe(true);
    }
  });
});

describe("emptying a folder", () => {
  it("keeps what is named, and the folder", async () => {
    const dir = await folder();
    await writeState(path.join(dir, "files", "x"), 1);
    await writeState(path.join(dir, "state.json"), 1);
    await emptyFolder(dir, new Set(["state.json"]));
    expect(await readdir(dir)).toEqual(["state.json"]);
    await emptyFolder(dir);
    expect(await readdir(dir)).toEqual([]);
    await emptyFolder(path.join(dir, "missing"));
  });
});
