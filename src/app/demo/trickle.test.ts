import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { cut, scriptedServer, status } from "../../../test/support/scripted-server.js";
import { trickle } from "./trickle.js";

describe("a trickle of changes", () => {
  it("goes on with the next change after one was lost or refused, and says so once until one is taken", async () => {
    const server = await scriptedServer([
      cut,
      status(503),
      status(204),
      status(401),
      status(401),
      status(204),
    ]);
    const told: string[] = [];
    const stop = new AbortController();
    await trickle({
      population: { patients: 3, seed: 1 },
      folder: await mkdtemp(path.join(tmpdir(), "trickle-")),
      endpoint: `${server.origin}/notify/synthetic/path-secret`,
      perSecond: 1000,
      signal: stop.signal,
      onTrouble: (what) => told.push(what),
      onSent: () => {
        if (server.received.length >= 6) stop.abort();
      },
    });
    expect(told).toEqual([
      "A change was not taken: the connection failed. The next ones are tried.",
      "A change was not taken: the answer was 401. The next ones are tried.",
    ]);
    expect(server.received.length).toBeGreaterThanOrEqual(6);
  });
});
