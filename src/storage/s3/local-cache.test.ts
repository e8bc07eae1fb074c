import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, statSync, utimesSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { LakeError } from "#kernel";
import { hasEnded } from "./cache-process.js";
import { LocalCache } from "./local-cache.js";

const open: LocalCache[] = [];

async function cacheIn(folder: string, limitBytes: number): Promise<LocalCache> {
  const cache = await LocalCache.open(folder, limitBytes);
  open.push(cache);
  return cache;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((cache) => cache.close()));
});

const newFolder = (): string => mkdtempSync(path.join(tmpdir(), "fhir-lake-cache-"));
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Objects of 100 bytes that begin with their key, and how often each was fetched. */
function objects(): { fetch: (key: string) => (file: string) => Promise<number>; fetched: string[] } {
  const fetched: string[] = [];
  return {
    fetched,
    fetch: (key) => async (file) => {
      fetched.push(key);
      await writeFile(file, key.padEnd(100));
      return 100;
    },
  };
}

const copies = (folder: string): string[] => readdirSync(path.join(folder, "files")).sort();

describe("the local cache", () => {
  it("fetches a file once and keeps it for the next reader, of another process too", async () => {
    const folder = newFolder();
    const { fetch, fetched } = objects();
    for (const cache of [await cacheIn(folder, 1000), await cacheIn(folder, 1000)]) {
      for (let i = 0; i < 2; i++) {
        const held = await cache.take("a/b", 100, fetch("a/b"));
        expect(await readFile(held, "utf8")).toBe("a/b".padEnd(100));
        await cache.drop(held);
      }
    }
    expect(fetched).toEqual(["a/b"]);
  });

  it("removes the copies used longest ago when they are more than the limit", async () => {
    const folder = newFolder();
    const cache = await cacheIn(folder, 350);
    const { fetch, fetched } = objects();
    for (const key of ["k1", "k2", "k3", "k1", "k4", "k5"]) {
      await cache.drop(await cache.take(key, 100, fetch(key)));
      await pause(15);
    }
    expect(copies(folder)).toEqual(["k1", "k4", "k5"]);
    expect(fetched).toEqual(["k1", "k2", "k3", "k4", "k5"]);
  });

  it("never removes a file that is held, even above the limit, and makes room once it is given back", async () => {
    const folder = newFolder();
    const cache = await cacheIn(folder, 250);
    const other = await cacheIn(folder, 250);
    const { fetch, fetched } = objects();
    const keys = ["k1", "k2", "k3", "k4", "k5", "k6"];
    const held = await Promise.all(keys.map((key) => cache.take(key, 100, fetch(key))));
    for (const key of ["x1", "x2", "x3"]) await other.drop(await other.take(key, 100, fetch(key)));
    for (const [i, file] of held.entries()) {
      expect(await readFile(file, "utf8")).toBe(keys[i]!.padEnd(100));
    }
    for (const key of keys) await other.drop(await other.take(key, 100, fetch(key)));
    expect(fetched).toHaveLength(9);
    await Promise.all(held.map((file) => cache.drop(file)));
    await cache.trim();
    expect(copies(folder).length).toBeLessThanOrEqual(2);
  });

  it("fetches again when a copy has not the expected size", async () => {
    const folder = newFolder();
    const cache = await cacheIn(folder, 1000);
    const { fetch, fetched } = objects();
    await cache.drop(await cache.take("a", 100, fetch("a")));
    await writeFile(path.join(folder, "files", "a"), "cut");
    expect(await readFile(await cache.take("a", 100, fetch("a")), "utf8")).toBe("a".padEnd(100));
    expect(fetched).toEqual(["a", "a"]);
  });

  it("gives up its copies when the disk is full", async () => {
    const folder = newFolder();
    const cache = await cacheIn(folder, 1000);
    const { fetch } = objects();
    await cache.drop(await cache.take("a", 100, fetch("a")));
    let full = true;
    const held = await cache.take("b", 100, async (file) => {
      if (full) {
        full = false;
        throw new LakeError("unavailable", "storage/disk-full", "The disk is full.");
      }
      return fetch("b")(file);
    });
    expect(existsSync(held)).toBe(true);
    expect(copies(folder)).toEqual(["b"]);
  });

  it("keeps nothing of a fetch that failed", async () => {
    const folder = newFolder();
    const cache = await cacheIn(folder, 1000);
    const failure = new LakeError("unavailable", "storage/unreachable", "No answer.");
    await expect(cache.take("a", 100, () => Promise.reject(failure))).rejects.toBe(failure);
    expect(copies(folder)).toEqual([]);
  });

  it("removes what processes that ended have left, and nothing of those that live", async () => {
    const folder = newFolder();
    const child = spawn(process.execPath, ["-e", ""]);
    await new Promise((resolve) => child.once("exit", resolve));
    const dead = path.join(folder, "processes", `${hostname()}.${child.pid}.${randomUUID()}`);
    const alive = path.join(folder, "processes", `${hostname()}.${process.pid}.${randomUUID()}`);
    for (const dir of [dead, alive]) mkdirSync(path.join(dir, "held"), { recursive: true });
    const anHourAgo = new Date(Date.now() - 3_600_000);
    for (const dir of [dead, alive]) utimesSync(dir, anHourAgo, anHourAgo);
    await cacheIn(folder, 1000);
    expect(existsSync(dead)).toBe(false);
    expect(existsSync(alive)).toBe(true);
  });

  it("believes processes of other hosts dead only after a long silence", () => {
    const elsewhere = `other-host.${process.pid}.${randomUUID()}`;
    expect(hasEnded(elsewhere, 10 * 60_000)).toBe(false);
    expect(hasEnded(elsewhere, 2 * 3_600_000)).toBe(true);
    expect(hasEnded(`${hostname()}.999999999.${randomUUID()}`, 1000)).toBe(false);
    expect(hasEnded("not-one-of-ours", 2 * 3_600_000)).toBe(false);
  });

  it("is readable by its owner only", async () => {
    const folder = path.join(newFolder(), "cache");
    await cacheIn(folder, 1000);
    for (const name of ["files", "processes"]) {
      expect(statSync(path.join(folder, name)).mode & 0o077).toBe(0);
    }
  });

  it("serves readers under constant eviction by others", async () => {
    const folder = newFolder();
    const caches = await Promise.all([1, 2, 3].map(() => cacheIn(folder, 300)));
    const { fetch } = objects();
    await Promise.all(
      caches.map(async (cache, n) => {
        for (let i = 0; i < 120; i++) {
          const key = `k${(i * (n + 3)) % 11}`;
          const held = await cache.take(key, 100, fetch(key));
          if (i % 3 === 0) await pause(1);
          expect(await readFile(held, "utf8")).toBe(key.padEnd(100));
          await cache.drop(held);
        }
      }),
    );
    await caches[0]!.trim();
    expect(copies(folder).length).toBeLessThanOrEqual(4);
  });
});
