import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import type { ObjectStore } from "./object-store.js";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

async function keysOf(store: ObjectStore, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const entry of store.list(prefix)) keys.push(entry.key);
  return keys.sort();
}

/** What every object store must do; run by each adapter's own test file with a factory of empty stores. */
export function objectStoreContract(name: string, create: () => Promise<ObjectStore>): void {
  describe(`object store contract: ${name}`, () => {
    let store: ObjectStore;
    beforeEach(async () => {
      store = await create();
    });

    it("creates an object once and keeps the first bytes", async () => {
      expect(await store.putIfAbsent("snapshots/1.json", text("a"))).toBe("created");
      expect(await store.putIfAbsent("snapshots/1.json", text("b"))).toBe("exists");
      expect(Buffer.from(await store.get("snapshots/1.json")).toString()).toBe("a");
    });

    it("lets exactly one of many racing writers win", async () => {
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, i) => store.putIfAbsent("race/x", text(`writer ${i}`))),
      );
      expect(results.filter((r) => r === "created")).toHaveLength(1);
    });

    it("fails with storage/not-found for what is not there", async () => {
      await expect(store.get("no/such")).rejects.toMatchObject({ code: "storage/not-found" });
      await expect(store.localPath("no/such")).rejects.toMatchObject({ code: "storage/not-found" });
    });

    it("publishes a staged file and gives a local path to its bytes", async () => {
      const dir = await store.stagingDirectory("test");
      const file = path.join(dir, "a.bin");
      await writeFile(file, "payload");
      await store.publish(file, "resources/Patient/date=2026-01-01/a.bin");
      await store.makeDurable(["resources/Patient/date=2026-01-01/a.bin"]);
      const local = await store.localPath("resources/Patient/date=2026-01-01/a.bin");
      expect(await readFile(local, "utf8")).toBe("payload");
    });

    it("lists by key prefix, also within a folder, and forgets what was deleted", async () => {
      for (const key of ["a/1", "a/2", "ab/3", "b/4"]) await store.putIfAbsent(key, text(key));
      expect(await keysOf(store, "a/")).toEqual(["a/1", "a/2"]);
      expect(await keysOf(store, "a")).toEqual(["a/1", "a/2", "ab/3"]);
      await store.delete("a/1");
      await store.delete("a/1");
      expect(await keysOf(store, "a/")).toEqual(["a/2"]);
    });

    it("gives the same work folder for the same label, with what was left in it", async () => {
      const dir = await store.workDirectory("source-main");
      await writeFile(path.join(dir, "state.json"), "{}");
      await store.prune(["work/", "resources/"], Date.now() + 60_000);
      expect(await store.workDirectory("source-main")).toBe(dir);
      expect(await readFile(path.join(dir, "state.json"), "utf8")).toBe("{}");
      await expect(store.workDirectory("../x")).rejects.toMatchObject({ code: "storage/bad-key" });
    });

    it("refuses keys that could leave the lake", async () => {
      for (const key of ["../x", "a/../../x", "/etc/passwd", "a//b", "a/./b", "", "a\u0000b", "a\\b"]) {
        await expect(store.get(key)).rejects.toMatchObject({ code: "storage/bad-key" });
        await expect(store.putIfAbsent(key, text("x"))).rejects.toThrow();
      }
    });
  });
}
