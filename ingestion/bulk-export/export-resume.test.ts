import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { type ExportWorld, exportWorld, linesOf, liveOn } from "../../test/support/export-fixture.js";
import type { ProfileName } from "../../test/support/fhir-server/index.js";
import { cancelExport, exportBulk, finishExport } from "./export.js";

const fileRequests = ({ server }: ExportWorld): number =>
  server.requests.matching({ path: /\/(_files|bucket|Binary)\// }).length;

describe("an export that was stopped", () => {
  const labels = [
    "kickoff.intended",
    "kickoff.answered",
    "kickoff.saved",
    "page.saved",
    "file.renamed",
    "file.recorded",
    "changes.written",
    "batch.ready",
  ];

  it.each(labels)("at '%s' goes on there and fetches no finished file again", async (label) => {
    const { server, call } = await exportWorld();
    const first = await exportBulk(call);
    await finishExport(call);
    server.store.delete("Encounter", "e1");
    for (let n = 0; n < 35; n++)
      server.store.put(
        "Observation",
        `o${n}`,
        `{"resourceType":"Observation","id":"o${n}","status":"final"}`,
      );
    server.requests.clear();
    const again = { ...call, since: first.transactionTime };
    for (let k = 1; k <= 3; k++) {
      let left = k;
      const stopped = exportBulk({
        ...again,
        checkpoint: (reached) => {
          if (reached === label && --left === 0) throw new Error("stopped here");
        },
      });
      await stopped.catch((error: unknown) => expect(String(error)).toContain("stopped here"));
    }
    const batch = await exportBulk(again);
    expect(linesOf(batch)).toEqual(liveOn(server, ["Observation"]));
    expect(linesOf(batch, "changes")).toHaveLength(1);
    expect([...server.requests.filesFetched().values()].every((times) => times === 1)).toBe(true);
    expect(server.requests.matching({ path: /\$export$/ })).toHaveLength(
      ["kickoff.answered"].includes(label) ? 2 : 1,
    );
  });

  it("gives the same batch again until it is finished, without asking anything", async () => {
    const { server, call } = await exportWorld();
    const first = await exportBulk(call);
    const asked = server.requests.all.length;
    const second = await exportBulk(call);
    expect(second.files).toEqual(first.files);
    expect(second.statistics.resumedFiles).toBe(first.files.length);
    expect(server.requests.all).toHaveLength(asked);
  });

  it("does not hand out a committed batch again", async () => {
    const { server, call } = await exportWorld();
    const first = await exportBulk(call);
    server.store.put("Patient", "new", '{"resourceType":"Patient","id":"new"}');
    const second = await exportBulk({ ...call, newerThan: first.transactionTime });
    expect(second.transactionTime > first.transactionTime).toBe(true);
    expect(linesOf(second)).toEqual(liveOn(server));
    expect(server.requests.matching({ method: "DELETE" })).toHaveLength(1);
  });

  it.each<ProfileName>(["full", "epic-like"])(
    "does not hand out a batch begun before what is committed (%s)",
    async (profile) => {
      const { server, clock, ...world } = await exportWorld({ profile });
      const call = { ...world.call, level: { kind: "group", id: "g" } as const };
      const stop = (label: string): void => {
        if (label === "kickoff.saved") throw new Error("stop");
      };
      await exportBulk({ ...call, checkpoint: stop }).catch(() => undefined);
      clock.advance(60_000);
      server.store.put("Patient", "p1", '{"resourceType":"Patient","id":"p1","active":true}');
      const newerThan = clock.now().toISOString();
      clock.advance(1000);
      const batch = await exportBulk({ ...call, newerThan });
      expect(batch.transactionTime > newerThan).toBe(true);
      expect(linesOf(batch)).toEqual(liveOn(server));
    },
  );

  it("is given up for another request, and the server is told", async () => {
    const { server, call } = await exportWorld();
    await exportBulk({
      ...call,
      checkpoint: (label) => {
        if (label === "page.saved") throw new Error("stop");
      },
    }).catch(() => undefined);
    const batch = await exportBulk({ ...call, types: ["Patient"] });
    expect(linesOf(batch)).toEqual(liveOn(server, ["Patient"]));
    expect(server.requests.matching({ method: "DELETE", status: 202 })).toHaveLength(1);
  });

  it("starts anew when the server has forgotten the job", async () => {
    const { server, call } = await exportWorld();
    await exportBulk({
      ...call,
      checkpoint: (label) => {
        if (label === "file.recorded") throw new Error("stop");
      },
    }).catch(() => undefined);
    server.expire("jobs");
    server.store.put("Patient", "late", '{"resourceType":"Patient","id":"late"}');
    const batch = await exportBulk(call);
    expect(linesOf(batch)).toEqual(liveOn(server));
    expect(batch.statistics.resumedFiles).toBe(0);
  });

  it("takes renewed links for the files that are missing", async () => {
    const { server, clock, call } = await exportWorld({ export: { linkMs: 60_000 } });
    await exportBulk({
      ...call,
      checkpoint: (label) => {
        if (label === "file.recorded") throw new Error("stop");
      },
    }).catch(() => undefined);
    clock.advance(120_000);
    expect(linesOf(await exportBulk(call))).toEqual(liveOn(server));
    expect(server.requests.matching({ path: /\$export$/ })).toHaveLength(1);
    expect([...server.requests.filesFetched().values()].every((times) => times === 1)).toBe(true);
  });

  it("does not take state that it cannot read", async () => {
    const { call } = await exportWorld();
    await exportBulk(call);
    writeFileSync(path.join(call.workDir, "state.json"), '{"version":99}');
    await expect(exportBulk(call)).rejects.toMatchObject({ code: "source/damaged-state" });
  });

  it("fetches a file again that has vanished or was cut on the disk", async () => {
    const world = await exportWorld();
    const { server, call } = world;
    const batch = await exportBulk(call);
    rmSync(batch.files[0]!.path);
    truncateSync(batch.files[1]!.path, 10);
    const asked = fileRequests(world);
    expect(linesOf(await exportBulk(call))).toEqual(liveOn(server));
    expect(fileRequests(world) - asked).toBe(2);
  });
});

describe("finishing and cancelling", () => {
  it("tells the server and empties the folder; doing it twice is fine", async () => {
    const { server, call } = await exportWorld();
    await exportBulk(call);
    expect(await finishExport(call)).toEqual({ released: true });
    expect(readdirSync(call.workDir)).toEqual([]);
    expect(await finishExport(call)).toEqual({ released: true });
    expect(server.requests.matching({ method: "DELETE", status: 202 })).toHaveLength(1);
  });

  it("takes a job that the server removed by itself for done", async () => {
    const { server, call } = await exportWorld();
    await exportBulk(call);
    server.expire("jobs");
    expect(await finishExport(call)).toEqual({ released: true });
  });

  it("remembers a job that it could not give up, until the next export", async () => {
    const { server, call } = await exportWorld({ profile: "epic-like" });
    const group = { ...call, level: { kind: "group", id: "g" } as const };
    await exportBulk(group);
    server.faults.add({
      match: { method: "DELETE" },
      occurrences: [1, 2],
      fault: { kind: "status", status: 503 },
    });
    expect(await finishExport(group)).toEqual({ released: false });
    expect(readFileSync(path.join(call.workDir, "state.json"), "utf8")).toContain("_jobs");
    expect(linesOf(await exportBulk(group))).toEqual(liveOn(server));
    expect(server.requests.matching({ status: 429 })).toEqual([]);
  });

  it("cancels a job in progress", async () => {
    const { server, call } = await exportWorld({ export: { polls: 1e9 } });
    const controller = new AbortController();
    const running = exportBulk({
      ...call,
      signal: controller.signal,
      onProgress: ({ waitMs }) => {
        if (waitMs !== undefined) controller.abort();
      },
    });
    await expect(running).rejects.toMatchObject({ code: "source/aborted" });
    expect(await cancelExport(call)).toEqual({ released: true });
    expect(server.requests.matching({ method: "DELETE", status: 202 })).toHaveLength(1);
    expect(readdirSync(call.workDir)).toEqual([]);
  });
});
