import { describe, expect, it } from "vitest";
import {
  clientOf,
  exportWorld,
  filledServer,
  linesOf,
  liveOn,
  TYPES,
  workFolder,
} from "../../test/support/export-fixture.js";
import type { FaultRule } from "../../test/support/fhir-server/index.js";
import { exportBulk } from "./export.js";

const types = [...TYPES];
const system = { kind: "system" } as const;

describe("a fault of the server", () => {
  const file = { pattern: "/_files/" };
  const poll = { method: "GET", pattern: "/_jobs/" };
  const kickoff = { pattern: "\\$export" };

  it.each<[string, FaultRule[]]>([
    [
      "429 on kick-off with Retry-After",
      [{ match: kickoff, occurrences: [1, 2], fault: { kind: "status", status: 429, retryAfter: 120 } }],
    ],
    ["503 on kick-off", [{ match: kickoff, occurrences: [1], fault: { kind: "status", status: 503 } }]],
    ["500 on kick-off", [{ match: kickoff, occurrences: [1], fault: { kind: "status", status: 500 } }]],
    ["a lost answer to the kick-off", [{ match: kickoff, occurrences: [1], fault: { kind: "answer-lost" } }]],
    [
      "429 on polls, by date",
      [
        {
          match: poll,
          occurrences: { from: 1, to: 3 },
          fault: { kind: "status", status: 429, retryAfter: { dateInSeconds: 60 } },
        },
      ],
    ],
    [
      "429 on polls, by epoch in milliseconds",
      [
        {
          match: poll,
          occurrences: [1],
          fault: { kind: "status", status: 429, retryAfter: "1795243948648" },
        },
      ],
    ],
    [
      "transient 500s on polls",
      [
        {
          match: poll,
          occurrences: { from: 1, to: 20 },
          fault: { kind: "status", status: 500, issueCode: "transient" },
        },
      ],
    ],
    [
      "a gateway's 502 on polls",
      [
        {
          match: poll,
          occurrences: { from: 1, to: 8 },
          fault: { kind: "status", status: 502, body: "<html>" },
        },
      ],
    ],
    ["cut polls", [{ match: poll, occurrences: { from: 1, to: 4 }, fault: { kind: "answer-lost" } }]],
    [
      "429 on files",
      [
        {
          match: file,
          occurrences: { from: 1, to: 3 },
          fault: { kind: "status", status: 429, retryAfter: 30 },
        },
      ],
    ],
    ["503 on files", [{ match: file, occurrences: [2], fault: { kind: "status", status: 503 } }]],
    ["a file that ends early", [{ match: file, occurrences: [1], fault: { kind: "truncate", bytes: 200 } }]],
    [
      "a server that dies within a file",
      [{ match: file, occurrences: [3], fault: { kind: "die", bytes: 100 } }],
    ],
    ["a wrong Content-Length", [{ match: file, occurrences: [1], fault: { kind: "wrong-length", by: 10 } }]],
    [
      "a Content-Length that is too short",
      [{ match: file, occurrences: [1], fault: { kind: "wrong-length", by: -10 } }],
    ],
    ["corrupt gzip", [{ match: file, occurrences: [1], fault: { kind: "corrupt-gzip" } }]],
    [
      "a slow file",
      [{ match: file, occurrences: [1], fault: { kind: "delay", milliseconds: 300, bytes: 50 } }],
    ],
    [
      "links that end with 410 once",
      [{ match: file, occurrences: [1, 2, 3], fault: { kind: "expire-link" } }],
    ],
    [
      "links that end with 403 once",
      [{ match: file, occurrences: [2], fault: { kind: "expire-link", status: 403 } }],
    ],
    [
      "a lost job on the first poll",
      [{ match: poll, occurrences: [1], fault: { kind: "status", status: 404 } }],
    ],
  ])("is got over: %s", async (name, faults) => {
    // Without compression overwritten bytes are bytes like any: nothing can tell.
    const packings = name === "corrupt gzip" ? [true] : [true, false];
    for (const gzip of packings) {
      const { server, call } = await exportWorld({ faults, changes: { export: { gzip } } });
      const batch = await exportBulk(call);
      expect(linesOf(batch)).toEqual(liveOn(server));
      expect(server.faults.struck()[0]).toBeGreaterThan(0);
      expect([...server.requests.filesFetched().values()].every((times) => times === 1)).toBe(true);
    }
  });

  it("429 holds all requests back until the time it names", async () => {
    const { server, clock, call } = await exportWorld({
      faults: [{ match: file, occurrences: [1], fault: { kind: "status", status: 429, retryAfter: 30 } }],
      changes: { export: { rowsPerFile: 1 } },
    });
    const http = clientOf(server.url, { clock, maxConcurrency: 1 });
    await exportBulk({ ...call, http });
    expect(clock.waits).toContain(30_000);
    expect(server.requests.mostParallel()).toBe(1);
  });

  it("a link to another origin in the manifest is not asked for with a token", async () => {
    const world = await filledServer({ auth: { bearer: "fixed" } });
    world.server.faults.add({
      match: poll,
      fault: {
        kind: "replace-text",
        search: `${world.server.url}/_files`,
        replacement: `${world.server.fileOrigin}/bucket`,
      },
    });
    const http = clientOf(world.server.url, { clock: world.clock, auth: { kind: "bearer", token: "fixed" } });
    const call = { http, workDir: await workFolder(), level: system, types };
    await expect(exportBulk(call)).rejects.toMatchObject({ code: "source/foreign-url" });
    expect(world.server.requests.matching({ origin: "files" })).toEqual([]);
  });

  it.each<[string, string, FaultRule[]]>([
    [
      "a job that failed",
      "source/export-failed",
      [{ match: poll, fault: { kind: "status", status: 500, issueCode: "processing" } }],
    ],
    [
      "a job refused with 400",
      "source/export-failed",
      [{ match: poll, fault: { kind: "status", status: 400, issueCode: "invalid" } }],
    ],
    [
      "a manifest without transactionTime",
      "source/bad-manifest",
      [{ match: poll, fault: { kind: "replace-text", search: "transactionTime", replacement: "time" } }],
    ],
    [
      "counts that never agree",
      "source/damaged-file",
      [{ match: poll, fault: { kind: "wrong-count", by: 1 } }],
    ],
    [
      "files that always end early",
      "source/damaged-file",
      [{ match: file, fault: { kind: "truncate", bytes: 150 } }],
    ],
    [
      "jobs that are always lost",
      "source/export-lost",
      [{ match: poll, fault: { kind: "status", status: 404 } }],
    ],
    [
      "files that are never there",
      "source/export-lost",
      [{ match: file, fault: { kind: "expire-link", status: 404 } }],
    ],
    [
      "a kick-off that is refused",
      "source/refused",
      [{ match: kickoff, fault: { kind: "status", status: 400, issueCode: "invalid" } }],
    ],
    ["no right to export", "source/forbidden", [{ match: kickoff, fault: { kind: "status", status: 403 } }]],
    [
      "a redirect of a poll to elsewhere",
      "source/redirect",
      [{ match: poll, fault: { kind: "redirect", to: "http://127.0.0.1:9" } }],
    ],
    [
      "a gateway that stays broken",
      "source/unavailable",
      [{ match: poll, fault: { kind: "status", status: 502, body: "" } }],
    ],
  ])("ends the export without a batch: %s", async (_name, code, faults) => {
    const { call } = await exportWorld({ faults, changes: { export: { gzip: false } } });
    await expect(exportBulk(call)).rejects.toMatchObject({ code });
  });

  it("a file that stays damaged has the job begun anew at the third call", async () => {
    const { server, call } = await exportWorld({
      faults: [{ match: file, occurrences: { from: 1, to: 18 }, fault: { kind: "truncate", bytes: 150 } }],
      changes: { export: { gzip: false, rowsPerFile: 100 } },
    });
    const one = { ...call, types: ["Patient"] };
    for (const kickoffs of [1, 1, 1]) {
      await expect(exportBulk(one)).rejects.toMatchObject({ code: "source/damaged-file" });
      expect(server.requests.matching({ path: /export$/ })).toHaveLength(kickoffs);
    }
    expect(linesOf(await exportBulk(one))).toEqual(liveOn(server, ["Patient"]));
    expect(server.requests.matching({ path: /export$/ })).toHaveLength(2);
  });

  it("before the job had begun does not use up its time", async () => {
    const { server, clock, call } = await exportWorld({
      faults: [{ match: kickoff, occurrences: [1], fault: { kind: "status", status: 400 } }],
    });
    await expect(exportBulk(call)).rejects.toMatchObject({ code: "source/refused" });
    clock.advance(100 * 86_400_000);
    expect(linesOf(await exportBulk(call))).toEqual(liveOn(server));
  });

  it("in another export's way is waited for, for a day", async () => {
    const busy: FaultRule = { match: kickoff, fault: { kind: "status", status: 429, retryAfter: 120 } };
    const { clock, call } = await exportWorld({ faults: [busy] });
    const begun = clock.now().getTime();
    await expect(exportBulk(call)).rejects.toMatchObject({ code: "source/throttled" });
    expect(clock.now().getTime() - begun).toBe(86_400_000);
  });

  it("counts that do not agree can be taken with a warning", async () => {
    const { server, call } = await exportWorld({
      faults: [{ match: poll, fault: { kind: "wrong-count", by: 1 } }],
    });
    const batch = await exportBulk({ ...call, trustCounts: false });
    expect(linesOf(batch)).toEqual(liveOn(server));
    expect(batch.problems).toContainEqual(expect.objectContaining({ severity: "warning", type: "Patient" }));
  });

  it("error files mark the types they name, and none when they only inform", async () => {
    const issues = [
      {
        severity: "error" as const,
        code: "exception",
        diagnostics: "Could not export Observation: timeout for Mrs Canary",
      },
      { severity: "warning" as const, code: "informational", diagnostics: "Encounter is slow" },
    ];
    const { call } = await exportWorld({
      faults: [
        {
          match: poll,
          occurrences: { from: 2 },
          fault: { kind: "error-file", issues, instead: "Observation" },
        },
      ],
    });
    const batch = await exportBulk(call);
    expect(batch.incompleteTypes).toEqual(["Observation"]);
    expect(batch.problems).toContainEqual({
      severity: "error",
      type: "Observation",
      message: "The server reported 1 issue of code 'exception' with the export.",
    });
    expect(JSON.stringify(batch.problems)).not.toContain("Canary");
  });

  it("garbage lines are left to landing, which puts them into quarantine", async () => {
    const { call } = await exportWorld({
      faults: [{ match: file, occurrences: [1], fault: { kind: "garbage-line", text: "not json", line: 3 } }],
      changes: { export: { countMember: false } },
    });
    expect(linesOf(await exportBulk(call))).toContain("not json");
  });
});
