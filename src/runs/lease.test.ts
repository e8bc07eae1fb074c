import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { HandClock, MemoryStore } from "../../test/support/memory-store.js";
import { LEASE_TIMES, Lease, leaseHolder } from "./lease.js";
import { hasEnded, thisProcess } from "./process-identity.js";

function two() {
  const store = new MemoryStore();
  const clock = new HandClock();
  return { clock, context: { store, clock, hasEnded: () => false } };
}

describe("a lease", () => {
  it("is refused while another holds it, naming the process", async () => {
    const { context } = two();
    await Lease.take(context, "source-a", "r1");
    await expect(Lease.take(context, "source-a", "r2")).rejects.toMatchObject({
      code: "runs/lease-held",
      message: expect.stringContaining(`process ${process.pid}`) as string,
    });
    await expect(Lease.take(context, "source-b", "r3")).resolves.toMatchObject({ fence: 1 });
  });

  it("is free again at once when it is given back", async () => {
    const { context } = two();
    const first = await Lease.take(context, "source-a", "r1");
    await first.release();
    expect(await leaseHolder(context, "source-a")).toBeUndefined();
    expect((await Lease.take(context, "source-a", "r2")).fence).toBeGreaterThan(first.fence);
  });

  it("is taken over after its time, and its old holder notices", async () => {
    const { clock, context } = two();
    const first = await Lease.take(context, "source-a", "r1");
    clock.ms += LEASE_TIMES.ttlMs - 1;
    await first.renew();
    clock.ms += LEASE_TIMES.ttlMs;
    expect(first.isHeld).toBe(false);
    await expect(Lease.take(context, "source-a", "r2")).rejects.toMatchObject({ code: "runs/lease-held" });
    clock.ms += LEASE_TIMES.skewMs;
    const second = await Lease.take(context, "source-a", "r2");
    expect(second.fence).toBeGreaterThan(first.fence);
    await expect(second.confirm()).resolves.toBeUndefined();
    await expect(first.renew()).rejects.toMatchObject({ code: "runs/lease-lost" });
    await first.release();
    expect(second.isHeld).toBe(true);
    expect((await leaseHolder(context, "source-a"))?.purpose).toBe("r2");
  });

  it("is taken over at once from a process of this machine that was killed", async () => {
    const store = new MemoryStore();
    const clock = new HandClock();
    const child = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60000)"]);
    const dead = { ...thisProcess(), pid: child.pid!, began: "" };
    await Lease.take({ store, clock, process: dead }, "source-a", "r1");
    await expect(Lease.take({ store, clock }, "source-a", "r2")).rejects.toMatchObject({
      code: "runs/lease-held",
    });
    child.kill("SIGKILL");
    await once(child, "close");
    if (dead.space !== "") {
      expect(hasEnded(dead)).toBe(true);
      expect((await Lease.take({ store, clock }, "source-a", "r2")).fence).toBe(2);
    }
    expect(hasEnded(thisProcess())).toBe(false);
    expect(hasEnded({ ...dead, host: "elsewhere" })).toBe(false);
  });
});
