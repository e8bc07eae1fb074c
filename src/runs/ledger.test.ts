import { beforeEach, describe, expect, it } from "vitest";
import { HandClock, MemoryStore } from "../../test/support/memory-store.js";
import { Lease } from "./lease.js";
import { Ledger, OpenRun, sourceLease } from "./ledger.js";
import { newRunId } from "./run-id.js";

let store: MemoryStore;
let clock: HandClock;
let ledger: Ledger;
beforeEach(() => {
  store = new MemoryStore();
  clock = new HandClock();
  ledger = new Ledger({ store, clock, hasEnded: () => false });
});

function begin(source = "a", at = clock.now()): Promise<OpenRun> {
  return OpenRun.begin(store, clock, { runId: newRunId(at), source, full: false, trigger: "command" });
}

describe("the ledger of runs", () => {
  it("keeps one object of a run that is over and lists the newest first", async () => {
    const first = await begin();
    await first.tell({ kind: "bulk" });
    await first.end("succeeded", { snapshot: 3 });
    clock.ms += 1000;
    await (await begin("b")).end("failed", { error: { code: "x/y", message: "No." } });
    expect(store.objects.size).toBe(2);
    const runs = await ledger.list();
    expect(runs.map((r) => [r.source, r.state, r.kind, r.snapshot])).toEqual([
      ["b", "failed", null, null],
      ["a", "succeeded", "bulk", 3],
    ]);
    expect((await ledger.list({ source: "a" })).map((r) => r.source)).toEqual(["a"]);
    expect((await ledger.list({ limit: 1 })).map((r) => r.source)).toEqual(["b"]);
    expect((await ledger.get(runs[0]!.runId.slice(0, 20))).source).toBe("b");
    await expect(ledger.get("20990101")).rejects.toMatchObject({ code: "runs/no-such-run" });
  });

  it("shows a run as running only while its lease is held by it", async () => {
    const run = await begin();
    expect((await ledger.list())[0]?.state).toBe("interrupted");
    const lease = await Lease.take(
      { store, clock, hasEnded: () => false },
      sourceLease("a"),
      run.record.runId,
    );
    expect((await ledger.list())[0]?.state).toBe("running");
    await lease.release();
    expect((await ledger.list())[0]?.state).toBe("interrupted");
  });

  it("writes down interrupted runs of the source, whose process then cannot go on", async () => {
    const run = await begin();
    const other = await begin("b");
    const closed = await ledger.closeInterrupted("a");
    expect(closed.map((r) => [r.runId, r.state])).toEqual([[run.record.runId, "interrupted"]]);
    await expect(run.tell({ kind: "bulk" })).rejects.toMatchObject({ code: "runs/ledger-moved" });
    await other.tell({ kind: "search" });
    expect(await ledger.closeInterrupted("a")).toEqual([]);
  });

  it("forgets old runs but never the newest of a source", async () => {
    for (let day = 0; day < 4; day++) {
      await (await begin("a")).end("succeeded");
      clock.ms += 86_400_000;
    }
    await (await begin("b", new Date(0))).end("succeeded");
    expect(await ledger.removeBefore(clock.ms - 2.5 * 86_400_000)).toBe(2);
    expect((await ledger.list()).map((r) => r.source)).toEqual(["a", "a", "b"]);
  });

  it("gives ids that sort by time", () => {
    const ids = [1, 999, 86_400_000, 4e12].map((ms) => newRunId(new Date(ms)));
    expect([...ids].sort()).toEqual(ids);
  });
});
