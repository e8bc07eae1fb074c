import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type FhirServer,
  type FhirServerOptions,
  startFhirServer,
} from "../../test/support/fhir-server/index.js";
import { createFhirHttp, type FhirHttp } from "../http/index.js";
import { writeIdFile } from "../search/index.js";
import { checkDeleteCap, overCap } from "./delete-cap.js";
import { fetchMissing } from "./fetch-missing.js";
import { type ReconcileRequest, type ReconcileResult, reconcileDeletes } from "./reconcile-deletes.js";

const ORDER = `${"18b6c5d2a0000000"}${"0".repeat(74)}`;
let dir: string;
const open: { close(): Promise<void> }[] = [];
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "reconcile-"));
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
  rmSync(dir, { recursive: true, force: true });
});

async function start(options: FhirServerOptions = {}): Promise<{ server: FhirServer; http: FhirHttp }> {
  const server = await startFhirServer({ profile: "no-history", ...options });
  const http = createFhirHttp({ baseUrl: server.url, auth: { kind: "none" } });
  open.push(server, http);
  for (const id of ["a", "b", "c", "d"]) {
    server.store.put("Patient", id, `{"resourceType":"Patient","id":"${id}"}`);
  }
  return { server, http };
}

/** With `http` all are confirmed; without it only those younger than the list, of which there are none here. */
function reconcile(ids: readonly string[], more: Partial<ReconcileRequest>): Promise<ReconcileResult> {
  const vanishedFile = path.join(dir, "vanished.tsv");
  writeFileSync(vanishedFile, ids.map((id) => `Patient/${id}\t${ORDER}\n`).join(""));
  return reconcileDeletes({
    vanishedFile,
    types: [{ type: "Patient", live: 100, vanished: ids.length }],
    policy: "time",
    listedAt: "2026-12-01T00:00:00Z",
    http: createFhirHttp({ baseUrl: "http://127.0.0.1:1/fhir", auth: { kind: "none" } }),
    confirm: more.http === undefined ? "younger" : "all",
    path: path.join(dir, "deletes.ndjson"),
    ...more,
  });
}

function deletedIds(result: ReconcileResult): string[] {
  if (result.file === undefined) return [];
  return readFileSync(result.file.path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as { entry: [{ request: { url: string } }] }).entry[0].request.url);
}

describe("ids that the source lists no more", () => {
  it("are deletes when a read finds them deleted or absent, and none when it finds them alive or is not allowed", async () => {
    const { server, http } = await start({
      faults: [{ match: { path: "/fhir/Patient/d" }, fault: { kind: "status", status: 403 } }],
    });
    server.store.delete("Patient", "a");
    const result = await reconcile(["a", "b", "d", "never"], { http });
    expect(deletedIds(result)).toEqual(["Patient/a", "Patient/never"]);
    expect(result.types).toEqual({ Patient: { deleted: 2, live: 1, hidden: 1 } });
    expect(result.problems).toMatchObject([{ severity: "warning", type: "Patient" }]);
    expect(result.file).toMatchObject({ kind: "changes", lines: 2 });
  });

  it("are deletes at once where the list is known to be complete", async () => {
    expect(deletedIds(await reconcile(["a", "b"], {}))).toEqual(["Patient/a", "Patient/b"]);
  });

  it.each(["time", "version"] as const)(
    "are read all the same when the lake's version is younger than the list (%s)",
    async (policy) => {
      const { server, http } = await start();
      server.store.delete("Patient", "a");
      const listedAt = "2020-01-01T00:00:00Z";
      const version = "0000000000000001";
      const vanishedFile = path.join(dir, "younger.tsv");
      const lines = ["a\t18b6c5d2a0000000", "b\t18b6c5d2a0000000", "c\t0000000000000000"].map((line) => {
        const [id, time] = line.split("\t") as [string, string];
        const clock = policy === "time" ? time + version : version + time;
        return `Patient/${id}\t${clock}${"0".repeat(58)}\n`;
      });
      writeFileSync(vanishedFile, lines.join(""));
      const made = await reconcileDeletes({
        vanishedFile,
        types: [{ type: "Patient", live: 100, vanished: 3 }],
        policy,
        listedAt,
        http,
        confirm: "younger",
        path: path.join(dir, "deletes.ndjson"),
      });
      expect(deletedIds(made)).toEqual(["Patient/a", "Patient/c"]);
      expect(server.requests.matching({ path: "/fhir/Patient/c" })).toEqual([]);
    },
  );

  it("leave no file when nothing was deleted", async () => {
    const { http } = await start();
    expect((await reconcile(["a"], { http })).file).toBeUndefined();
    expect((await reconcile([], { http })).types).toEqual({});
  });

  it("stop the run when they are too many, before anything is read", async () => {
    const { server, http } = await start();
    const types = [{ type: "Patient", live: 20, vanished: 6 }];
    const ids = ["a", "b", "c", "d", "e", "f"];
    await expect(reconcile(ids, { http, types })).rejects.toMatchObject({
      code: "source/too-many-deletes",
      details: { types: [{ type: "Patient", live: 20, vanished: 6 }] },
    });
    expect(server.requests.all).toEqual([]);
    expect(deletedIds(await reconcile(ids, { http, types, acceptDeletes: true }))).toEqual([
      "Patient/e",
      "Patient/f",
    ]);
  });

  it("are not taken from a damaged list", async () => {
    const vanishedFile = path.join(dir, "bad.tsv");
    writeFileSync(vanishedFile, `Patient/a\t${ORDER}\nPatient/b\n`);
    await expect(reconcile([], { vanishedFile })).rejects.toMatchObject({ code: "source/bad-id-list" });
  });
});

describe("the cap", () => {
  it("is a share of a type and a number, with a few always free", () => {
    const of = (live: number, vanished: number) => [{ type: "Patient", live, vanished }];
    expect(overCap(of(100, 20))).toEqual([]);
    expect(overCap(of(100, 21))).toHaveLength(1);
    expect(overCap(of(5, 5))).toEqual([]);
    expect(overCap(of(6, 6))).toHaveLength(1);
    expect(overCap(of(10_000_000, 100_001))).toHaveLength(1);
    expect(overCap(of(100, 50), { share: 0.5 })).toEqual([]);
    expect(overCap(of(3, 1), { always: 0 })).toHaveLength(1);
    expect(() => checkDeleteCap(of(100, 30))).toThrow("--accept-deletes");
  });
});

describe("ids", () => {
  it("are listed page by page, each at least once", async () => {
    const { http } = await start();
    const file = path.join(dir, "ids.txt");
    const list = await writeIdFile({ http, types: ["Patient", "Group"], path: file, pageSize: 2 });
    expect(list).toMatchObject({ types: ["Patient", "Group"], path: file });
    const ids = new Set(readFileSync(file, "utf8").trimEnd().split("\n"));
    expect([...ids].sort()).toEqual(["Patient/a", "Patient/b", "Patient/c", "Patient/d"]);
    expect(Date.parse(list.listedAt!)).toBeGreaterThan(0);
  });

  it("that only the source has can be fetched one by one", async () => {
    const { server, http } = await start();
    server.store.delete("Patient", "b");
    const idFile = path.join(dir, "unknown.txt");
    writeFileSync(idFile, "Patient/a\nPatient/b\nPatient/c\nPatient/d\n");
    const found = await fetchMissing({ http, idFile, path: path.join(dir, "missing.ndjson"), limit: 3 });
    expect(found).toMatchObject({ kind: "resources", lines: 2 });
    expect(readFileSync(found!.path, "utf8")).toContain('"id":"c"');
  });
});
