import { mkdtemp, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ingest, patient, patients } from "../../../test/support/patients.js";
import { Lake } from "../lake.js";
import { pin, pins, unpin } from "../pins.js";
import { keptByPolicy } from "../retention.js";
import { filesOf } from "../snapshot.js";
import { compact } from "./compact.js";
import { vacuum } from "./vacuum.js";
import { verify } from "./verify.js";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** A clock that the test moves. */
class MovedClock {
  private aheadMs = 0;
  now(): Date {
    return new Date(Date.now() + this.aheadMs);
  }
  move(ms: number): void {
    this.aheadMs += ms;
  }
}

let lake: Lake;
let clock: MovedClock;
const others: Lake[] = [];
beforeEach(async () => {
  clock = new MovedClock();
  lake = await Lake.open({ location: await mkdtemp(path.join(tmpdir(), "fhir-lake-vacuum-")), clock });
});
afterEach(async () => {
  for (const other of others.splice(0)) await other.close();
  await lake.close();
  await rm(lake.store.location, { recursive: true, force: true });
});

async function exists(key: string): Promise<boolean> {
  return lake.store.localPath(key).then(
    () => true,
    () => false,
  );
}

describe("retention", () => {
  const at = (text: string, id: number): { id: number; committedAt: string } => ({ id, committedAt: text });
  const snapshots = [
    at("2026-01-05T10:00:00.000Z", 1),
    at("2026-01-31T23:00:00.000Z", 2),
    at("2026-03-01T01:00:00.000Z", 3),
    at("2026-03-28T08:00:00.000Z", 4),
    at("2026-03-28T20:00:00.000Z", 5),
    at("2026-03-30T02:00:00.000Z", 6),
    at("2026-03-30T03:00:00.000Z", 7),
    at("2026-03-30T04:00:00.000Z", 8),
  ];
  const now = new Date("2026-03-30T12:00:00Z");
  const kept = (policy: Parameters<typeof keptByPolicy>[0], graceMs = 0): number[] => [
    ...keptByPolicy(policy, snapshots, now, graceMs),
  ];

  it.each([
    ["the newest", { keepSnapshots: 1 }, [8]],
    ["the newest two", { keepSnapshots: 2 }, [7, 8]],
    ["all of some hours", { keepSnapshots: 1, keepAllMs: 9.5 * HOUR }, [7, 8]],
    ["the last of each day", { keepSnapshots: 1, keepDailyDays: 3 }, [5, 8]],
    ["the last of each month", { keepSnapshots: 1, keepMonthlyMonths: 3 }, [2, 8]],
    [
      "all, then days, then months",
      { keepSnapshots: 1, keepAllMs: 9 * HOUR, keepDailyDays: 3, keepMonthlyMonths: 3 },
      [2, 5, 8],
    ],
  ] as const)("keeps %s", (_, policy, expected) => {
    expect(kept(policy).sort()).toEqual(expected);
  });

  it("keeps what was the newest within the grace period", () => {
    expect(kept({ keepSnapshots: 1 }, 9.5 * HOUR).sort()).toEqual([6, 7, 8]);
  });

  it("wants at least one snapshot", () => {
    expect(() => kept({ keepSnapshots: 0 })).toThrow(/at least one/);
  });
});

describe("vacuum", () => {
  it("keeps pinned snapshots whole until they are unpinned or the pin ends", async () => {
    for (let i = 1; i <= 4; i++) await ingest(lake, [patient("a", i, i % 2 === 0 ? "male" : "female")]);
    await compact(lake, { full: true });
    await pin(lake, { name: "paper", snapshot: 2 });
    await pin(lake, { name: "short", snapshot: 3, lifetimeMs: HOUR });
    const first = await vacuum(lake, { keepSnapshots: 1, graceMs: 0 });
    expect(first).toMatchObject({ snapshots: [1, 4], pinned: [2, 3], oldestSnapshot: 2 });
    expect(await patients(lake, 2)).toEqual([{ id: "a", gender: "male" }]);
    clock.move(2 * HOUR);
    expect((await vacuum(lake, { keepSnapshots: 1, graceMs: 0 })).snapshots).toEqual([3]);
    expect((await pins(lake)).map((p) => p.name)).toEqual(["paper"]);
    await unpin(lake, "paper");
    expect((await vacuum(lake, { keepSnapshots: 1, graceMs: 0 })).snapshots).toEqual([2]);
    expect((await verify(lake)).orphans).toEqual({ files: 0, bytes: 0 });
  });

  it("says what it would remove, and then removes just that", async () => {
    for (let i = 1; i <= 3; i++) await ingest(lake, [patient("a", i)]);
    await compact(lake, { full: true });
    const options = { keepSnapshots: 1, graceMs: 0 };
    const planned = await vacuum(lake, { ...options, dryRun: true });
    expect(await lake.history.ids()).toEqual([1, 2, 3, 4]);
    expect(await vacuum(lake, options)).toEqual(planned);
  });

  it("leaves a removed snapshot's files for the grace period, so that its readers can finish", async () => {
    await ingest(lake, [patient("a", 1)]);
    const old = filesOf(await lake.head())[0]!.key;
    await compact(lake, { full: true });
    await ingest(lake, [patient("a", 2)]);
    await compact(lake, { full: true });
    // Long after it was replaced: the manifest goes, the file stays.
    clock.move(3 * DAY);
    expect((await vacuum(lake, { keepSnapshots: 1, graceMs: DAY })).snapshots).toEqual([1, 2]);
    expect(await exists(old)).toBe(true);
    expect((await verify(lake)).orphans).toEqual({ files: 0, bytes: 0 });
    clock.move(DAY + HOUR);
    for await (const { key } of lake.store.list("removed/manifests/")) {
      const then = new Date(Date.now() - 10 * DAY);
      await utimes(path.join(lake.store.location, key), then, then);
    }
    await vacuum(lake, { keepSnapshots: 1, graceMs: DAY });
    expect(await exists(old)).toBe(false);
    expect((await verify(lake)).damaged).toEqual([]);
  });

  it("never lets a process with an old head take a number again or miss the newest snapshot", async () => {
    await ingest(lake, [patient("a", 1)]);
    const idle = await Lake.open({ location: lake.store.location });
    others.push(idle);
    await idle.head();
    for (let i = 2; i <= 5; i++) await ingest(lake, [patient("a", i)]);
    await vacuum(lake, { keepSnapshots: 1, graceMs: 0 });
    const made = await ingest(idle, [patient("b", 1)]);
    expect(made?.id).toBe(6);
    expect((await lake.head()).id).toBe(6);
    expect(await lake.history.ids()).toEqual([5, 6]);
    expect(await patients(idle)).toHaveLength(2);
  });

  it("says of a removed snapshot that it is gone, and of others that they never were", async () => {
    for (let i = 1; i <= 3; i++) await ingest(lake, [patient("a", i)]);
    await vacuum(lake, { keepSnapshots: 1, graceMs: 0 });
    await expect(pin(lake, { name: "late", snapshot: 1 })).rejects.toMatchObject({
      code: "lake/snapshot-gone",
      details: { id: 1, oldest: 3, reason: "retention" },
    });
    await expect(lake.history.at(9)).rejects.toMatchObject({ code: "lake/no-such-snapshot" });
    await expect(lake.history.at(0)).rejects.toMatchObject({ code: "lake/no-such-snapshot" });
  });

  it("knows one pin per name", async () => {
    for (let i = 1; i <= 2; i++) await ingest(lake, [patient("a", i)]);
    await pin(lake, { name: "x", snapshot: 1 });
    expect((await pin(lake, { name: "x", snapshot: 1 })).snapshot).toBe(1);
    await expect(pin(lake, { name: "x" })).rejects.toMatchObject({ code: "lake/pin-exists" });
    await expect(pin(lake, { name: "../x" })).rejects.toMatchObject({ code: "lake/bad-pin-name" });
    await expect(unpin(lake, "y")).rejects.toMatchObject({ code: "lake/no-such-pin" });
  });
});
