import { chmod, mkdtemp, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { LocalStore } from "./local-store.js";
import { objectStoreContract } from "./object-store.contract.js";
import { openStore } from "./open-store.js";

const temporary = (): Promise<string> => mkdtemp(path.join(tmpdir(), "fhir-lake-store-"));

objectStoreContract("local folder", temporary, openStore);

describe("a local store", () => {
  it("leaves nothing in staging after a put, won or lost", async () => {
    const root = await temporary();
    const store = new LocalStore(root);
    await store.putIfAbsent("a", new Uint8Array([1]));
    await store.putIfAbsent("a", new Uint8Array([2]));
    expect(await readdir(path.join(root, "staging"))).toEqual([]);
  });

  it("says what to do when the folder may not be written", async () => {
    if (process.getuid?.() === 0) return; // root ignores modes
    const root = await temporary();
    await chmod(root, 0o500);
    await expect(new LocalStore(root).putIfAbsent("a", new Uint8Array([1]))).rejects.toMatchObject({
      code: "storage/io",
    });
  });
});
