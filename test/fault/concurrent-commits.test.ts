import { spawn } from "node:child_process";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { Lake, liveResources, verify, viewRows } from "#lake";

const WORKER = path.resolve("test/support/commit-worker.mjs");

interface Acknowledged {
  readonly snapshot: number | null;
  readonly counts: Record<string, number>;
  readonly lines: readonly { id: string; meta: { lastUpdated: string }; identifier: { value: string }[] }[];
}

function work(
  location: string,
  dir: string,
  name: number,
  rounds: number,
  role: string,
): Promise<Acknowledged[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [WORKER, location, String(name), String(rounds), role], {
      env: { ...process.env, WORK: dir, NODE_OPTIONS: "" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk) => (out += String(chunk)));
    child.stderr.on("data", (chunk) => (err += String(chunk)));
    child.on("close", (code) => {
      if (code !== 0) reject(new Error(`${role} ${name} ended with ${code}: ${err}`));
      else
        resolve(
          out
            .split("\n")
            .filter(Boolean)
            .map((line) => JSON.parse(line) as Acknowledged),
        );
    });
  });
}

describe("eight processes that commit overlapping resources at once, with a compaction and a view rebuild among them", () => {
  it("make a linear history in which every acknowledged commit stands once and nothing is lost", async () => {
    const location = await mkdtemp(path.join(tmpdir(), "fhir-lake-race-"));
    const dir = await mkdtemp(path.join(tmpdir(), "fhir-lake-race-in-"));
    const rounds = Number(process.env["FHIR_LAKE_RACE_ROUNDS"] ?? 4);
    const roles = ["writer", "writer", "writer", "writer", "writer", "writer", "compactor", "rebuilder"];
    const results = await Promise.all(roles.map((role, name) => work(location, dir, name, rounds, role)));
    const acknowledged = results.flat();

    const lake = await Lake.open({ location });
    const ids = await lake.history.ids();
    const snapshots = await Promise.all(ids.map((id) => lake.history.at(id)));
    expect(ids).toEqual(ids.map((_, i) => i + 1));
    expect(snapshots.map((s) => s.parent)).toEqual([null, ...ids.slice(0, -1)]);
    expect(new Set(snapshots.map((s) => s.commitId)).size).toBe(ids.length);
    const ingests = snapshots.filter((s) => s.operation.kind === "ingest").map((s) => s.id);
    expect(
      acknowledged
        .map((a) => a.snapshot)
        .filter((id) => id !== null)
        .sort((a, b) => a - b),
    ).toEqual(ingests);

    const newest = new Map<string, { at: string; value: string }>();
    for (const line of acknowledged.flatMap((a) => a.lines)) {
      const known = newest.get(line.id);
      const at = line.meta.lastUpdated;
      if (known === undefined || at > known.at) newest.set(line.id, { at, value: line.identifier[0]!.value });
    }
    const head = await lake.head();
    const table = head.tables["Patient"]!;
    const { relation } = await liveResources(lake, "Patient", table);
    const rows = await lake.database.with((c) =>
      c.rows<{ id: string; value: string }>(
        `SELECT id, identifier[1].value AS value FROM ${relation} ORDER BY id`,
      ),
    );
    const expected = [...newest]
      .map(([id, { value }]) => ({ id, value }))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    expect(rows).toEqual(expected);
    expect(table.resourceCount).toBe(expected.length);

    const view = head.views["patient_demographics"]!;
    const viewIds = await lake.database.with((c) =>
      viewRows(lake, view).then((r) => c.rows<{ id: string }>(`SELECT id FROM ${r} ORDER BY id`)),
    );
    expect(viewIds.map((row) => row.id)).toEqual(expected.map((row) => row.id));
    expect(view.rowCount).toBe(expected.length);
    expect((await verify(lake)).damaged).toEqual([]);
    await lake.close();
  }, 240_000);
});
