import { createHash } from "node:crypto";
import { readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { FileDigest, ObjectStore } from "./object-store.js";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** Larger than what goes up in one request, and no whole number of parts. */
const LARGE_BYTES = 19 * 2 ** 20 + 12_345;

function digestOf(bytes: Uint8Array): FileDigest {
  return { sizeBytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}

/** Bytes that no compression or repetition can fake. */
function noise(sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  for (let i = 0, x = 12345; i < sizeBytes; i++) {
    x = (x * 1103515245 + 12345) & 0x7fffffff;
    bytes[i] = x >> 16;
  }
  return bytes;
}

async function keysOf(store: ObjectStore, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const entry of store.list(prefix)) keys.push(entry.key);
  return keys.sort();
}

/** Publishes bytes under a key; durable only after `makeDurable`. */
async function publish(store: ObjectStore, key: string, bytes: Uint8Array | string): Promise<void> {
  const file = path.join(await store.stagingDirectory("test"), "file");
  await writeFile(file, bytes);
  await store.publish(file, key);
  await expect(stat(file)).rejects.toThrow("ENOENT");
}

/**
 * What every object store must do; run by each adapter's own test file. `locate` gives a new empty place, `open` opens the store of a
 * place as another process would.
 */
export function objectStoreContract(
  name: string,
  locate: () => Promise<string>,
  open: (place: string) => Promise<ObjectStore>,
): void {
  describe(`object store contract: ${name}`, () => {
    let place: string;
    let store: ObjectStore;
    let other: ObjectStore;
    beforeEach(async () => {
      place = await locate();
      store = await open(place);
      other = await open(place);
    });
    afterEach(async () => {
      await store.close();
      await other.close();
    });

    it("creates an object once and keeps the first bytes", async () => {
      expect(await store.putIfAbsent("snapshots/1.json", text("a"))).toBe("created");
      expect(await other.putIfAbsent("snapshots/1.json", text("b"))).toBe("exists");
      expect(Buffer.from(await other.get("snapshots/1.json")).toString()).toBe("a");
    });

    it("creates empty and binary objects", async () => {
      const binary = Buffer.from([0, 255, 10, 13, 0x1f]);
      await store.putIfAbsent("a/empty", new Uint8Array());
      await store.putIfAbsent("a/binary", binary);
      expect(await store.get("a/empty")).toHaveLength(0);
      expect(Buffer.from(await store.get("a/binary"))).toEqual(binary);
    });

    it("lets exactly one of many racing writers win, and all see that one's bytes", async () => {
      for (let round = 0; round < 5; round++) {
        const key = `race/${round}`;
        const results = await Promise.all(
          Array.from({ length: 20 }, (_, i) =>
            (i % 2 === 0 ? store : other).putIfAbsent(key, text(`writer ${i}`)),
          ),
        );
        const winners = results.flatMap((result, i) => (result === "created" ? [`writer ${i}`] : []));
        expect(winners).toHaveLength(1);
        expect(Buffer.from(await store.get(key)).toString()).toBe(winners[0]);
      }
    });

    it("can create again what was deleted", async () => {
      await store.putIfAbsent("a/1", text("first"));
      await store.delete("a/1");
      expect(await store.putIfAbsent("a/1", text("second"))).toBe("created");
      expect(Buffer.from(await other.get("a/1")).toString()).toBe("second");
    });

    it("fails with storage/not-found for what is not there", async () => {
      const missing = { code: "storage/not-found", kind: "not-found" };
      await expect(store.get("no/such")).rejects.toMatchObject(missing);
      await expect(store.localPath("no/such")).rejects.toMatchObject(missing);
      await expect(store.hold().localPath("no/such")).rejects.toMatchObject(missing);
      await expect(store.digest("no/such")).rejects.toMatchObject(missing);
    });

    it("publishes a staged file: readable here at once, and everywhere when durable", async () => {
      const key = "resources/Patient/date=2026-01-01/a.bin";
      await publish(store, key, "payload");
      expect(await readFile(await store.localPath(key), "utf8")).toBe("payload");
      await store.makeDurable([key]);
      expect(await readFile(await store.localPath(key), "utf8")).toBe("payload");
      expect(await readFile(await other.localPath(key), "utf8")).toBe("payload");
      expect(await keysOf(other, "resources/")).toEqual([key]);
    });

    it("publishes many files, empty and large ones among them, byte for byte", async () => {
      const files = new Map<string, Buffer>([
        ["f/empty", Buffer.alloc(0)],
        ["f/large", noise(LARGE_BYTES)],
        ...Array.from({ length: 12 }, (_, i): [string, Buffer] => [`f/${i}`, noise(1000 + i)]),
      ]);
      for (const [key, bytes] of files) await publish(store, key, bytes);
      await store.makeDurable([...files.keys()]);
      await store.makeDurable([...files.keys()]);
      for (const [key, bytes] of files) {
        expect(await other.digest(key)).toEqual(digestOf(bytes));
        const local = await readFile(await other.localPath(key, digestOf(bytes)));
        expect(local.equals(bytes)).toBe(true);
      }
      const sizes = new Map<string, number>();
      for await (const entry of other.list("f/")) {
        sizes.set(entry.key, entry.sizeBytes);
        expect(Math.abs(entry.modifiedAtMs - Date.now())).toBeLessThan(60_000);
      }
      expect(sizes).toEqual(new Map([...files].map(([key, bytes]) => [key, bytes.length])));
    });

    it("makes files durable after others were given up and their folders pruned", async () => {
      await publish(store, "given/up/early/1", "one");
      await store.delete("given/up/early/1");
      await other.prune(["given/"], Date.now() + 60_000);
      await publish(store, "kept/1", "two");
      await store.makeDurable(["kept/1"]);
      expect(Buffer.from(await other.get("kept/1")).toString()).toBe("two");
    });

    it("gives a hold its files until it is released, and others theirs beyond that", async () => {
      await publish(store, "f/1", "one");
      await store.makeDurable(["f/1"]);
      const [first, second] = [other.hold(), other.hold()];
      const paths = await Promise.all([
        first.localPath("f/1"),
        first.localPath("f/1"),
        second.localPath("f/1"),
      ]);
      expect(paths[0]).toBe(paths[1]);
      await first.release();
      await first.release();
      expect(await readFile(paths[2], "utf8")).toBe("one");
      await second.release();
      expect(await readFile(await other.hold().localPath("f/1"), "utf8")).toBe("one");
    });

    it("leaves nothing of a published file that is deleted before it was durable", async () => {
      await publish(store, "f/1", "one");
      await publish(store, "f/large", noise(LARGE_BYTES));
      await store.delete("f/1");
      await store.deleteMany(["f/large"]);
      expect(await keysOf(store, "f/")).toEqual([]);
      await expect(store.localPath("f/1")).rejects.toMatchObject({ code: "storage/not-found" });
    });

    it("lists by key prefix, also within a folder, and forgets what was deleted", async () => {
      for (const key of ["a/1", "a/2", "ab/3", "b/4"]) await store.putIfAbsent(key, text(key));
      expect(await keysOf(store, "a/")).toEqual(["a/1", "a/2"]);
      expect(await keysOf(store, "a")).toEqual(["a/1", "a/2", "ab/3"]);
      expect(await keysOf(store, "c/")).toEqual([]);
      await store.delete("a/1");
      await store.delete("a/1");
      expect(await keysOf(store, "a/")).toEqual(["a/2"]);
    });

    it("deletes many, passing over those that are not there", async () => {
      for (const key of ["a/1", "a/2", "a/3"]) await store.putIfAbsent(key, text(key));
      await store.deleteMany(["a/1", "a/3", "a/none"]);
      await store.deleteMany([]);
      expect(await keysOf(other, "a/")).toEqual(["a/2"]);
    });

    it("gives the same work folder for the same label, with what was left in it", async () => {
      const dir = await store.workDirectory("source-main");
      await writeFile(path.join(dir, "state.json"), "{}");
      await store.prune(["work/", "resources/"], Date.now() + 60_000);
      await store.close();
      store = await open(place);
      expect(await store.workDirectory("source-main")).toBe(dir);
      expect(await other.workDirectory("source-main")).toBe(dir);
      expect(await readFile(path.join(dir, "state.json"), "utf8")).toBe("{}");
      expect(await store.workDirectory("source-two")).not.toBe(dir);
      await expect(store.workDirectory("../x")).rejects.toMatchObject({ code: "storage/bad-key" });
    });

    it("gives a staging folder of its own to everybody who asks", async () => {
      const [one, two] = [await store.stagingDirectory("x"), await store.stagingDirectory("x")];
      expect(one).not.toBe(two);
      expect((await stat(one)).isDirectory()).toBe(true);
    });

    it("refuses keys that could leave the lake", async () => {
      for (const key of ["../x", "a/../../x", "/etc/passwd", "a//b", "a/./b", "", "a\u0000b", "a\\b"]) {
        const refused = { code: "storage/bad-key" };
        await expect(store.get(key)).rejects.toMatchObject(refused);
        await expect(store.putIfAbsent(key, text("x"))).rejects.toMatchObject(refused);
        await expect(store.localPath(key)).rejects.toMatchObject(refused);
        await expect(store.digest(key)).rejects.toMatchObject(refused);
        await expect(store.delete(key)).rejects.toMatchObject(refused);
        await expect(store.deleteMany([key])).rejects.toMatchObject(refused);
      }
    });
  });
}
