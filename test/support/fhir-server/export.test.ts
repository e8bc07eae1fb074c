import { describe, expect, it } from "vitest";
import {
  closeAfterEach,
  exportManifest,
  fillWithPatients,
  KICK_OFF,
  kickOff,
  linesOf,
  startForTest,
} from "./testing.js";

closeAfterEach();

const ids = (resources: readonly { id: string }[]) => resources.map(({ id }) => id).sort();

describe("$export", () => {
  it("answers 202 with a polling URL, 202 while it runs, then the manifest", async () => {
    const server = await startForTest({ export: { polls: 2, retryAfter: 7 } });
    fillWithPatients(server, 3);
    const poll = await kickOff(`${server.url}/$export?_type=Patient`);
    const first = await fetch(poll);
    expect([first.status, first.headers.get("retry-after")]).toEqual([202, "7"]);
    expect(first.headers.get("x-progress")).not.toBeNull();
    expect((await fetch(poll)).status).toBe(202);
    const done = await fetch(poll);
    expect(done.status).toBe(200);
    expect(done.headers.get("expires")).not.toBeNull();
    expect(await done.json()).toMatchObject({
      requiresAccessToken: false,
      request: `${server.url}/$export?_type=Patient`,
      output: [{ type: "Patient", count: 3 }],
      deleted: [],
      error: [],
    });
  });

  it("writes several files per type, gzipped for those who take it, with every resource once", async () => {
    const server = await startForTest({ changes: { export: { rowsPerFile: 4 } } });
    fillWithPatients(server, 10);
    const { manifest } = await exportManifest(`${server.url}/$export?_type=Patient,Condition`);
    expect(manifest.output.map(({ type, count }) => `${type} ${count}`)).toEqual([
      "Patient 4",
      "Patient 4",
      "Patient 2",
      "Condition 4",
      "Condition 4",
      "Condition 2",
    ]);
    expect((await linesOf(manifest.output)).length).toBe(20);
    const zipped = await fetch(manifest.output[0]?.url ?? "", { headers: { "accept-encoding": "gzip" } });
    expect(zipped.headers.get("content-encoding")).toBe("gzip");
    const plain = await fetch(manifest.output[0]?.url ?? "", { headers: { "accept-encoding": "identity" } });
    expect(plain.headers.get("content-encoding")).toBeNull();
    expect(await zipped.text()).toBe(await plain.text());
  });

  it("holds changes after _since and before _until, and lists deletes, never a resource in both", async () => {
    const server = await startForTest();
    fillWithPatients(server, 4);
    const { manifest: before } = await exportManifest(`${server.url}/$export?_type=Patient`);
    server.store.put("Patient", "p1", '{"resourceType":"Patient","id":"p1","gender":"male"}');
    server.store.delete("Patient", "p2");
    server.store.delete("Patient", "p3");
    server.store.put("Patient", "p3", '{"resourceType":"Patient","id":"p3"}');
    const since = encodeURIComponent(before.transactionTime);
    const { manifest } = await exportManifest(`${server.url}/$export?_type=Patient&_since=${since}`);
    expect(ids(await linesOf(manifest.output))).toEqual(["p1", "p3"]);
    const deletes = await linesOf(manifest.deleted ?? []);
    expect(deletes).toMatchObject([
      {
        resourceType: "Bundle",
        type: "transaction",
        entry: [{ request: { method: "DELETE", url: "Patient/p2" } }],
      },
    ]);
    const until = await exportManifest(`${server.url}/$export?_type=Patient&_until=${since}`);
    expect(ids(await linesOf(until.manifest.output))).toEqual(["p0"]);
  });

  it("has everything up to its transactionTime and nothing later", async () => {
    const server = await startForTest();
    fillWithPatients(server, 2);
    const poll = await kickOff(`${server.url}/$export?_type=Patient`);
    const late = server.store.put("Patient", "late", '{"resourceType":"Patient","id":"late"}');
    await fetch(poll);
    const manifest = (await (await fetch(poll)).json()) as {
      transactionTime: string;
      output: { url: string }[];
    };
    expect(ids(await linesOf(manifest.output))).toEqual(["p0", "p1"]);
    expect(late.at).toBeGreaterThan(Date.parse(manifest.transactionTime));
  });

  it("narrows by patient and group compartments", async () => {
    const server = await startForTest();
    fillWithPatients(server, 3);
    server.store.put(
      "Group",
      "one",
      '{"resourceType":"Group","id":"one","member":[{"entity":{"reference":"Patient/p1"}}]}',
    );
    const group = await exportManifest(
      `${server.url}/Group/one/$export?_type=Patient,Condition,Organization`,
    );
    expect(ids(await linesOf(group.manifest.output))).toEqual(["c1", "p1"]);
    const patient = await exportManifest(`${server.url}/Patient/$export?_type=Condition,Organization`);
    expect(ids(await linesOf(patient.manifest.output))).toEqual(["c0", "c1", "c2"]);
    expect((await fetch(`${server.url}/Group/none/$export`, { headers: KICK_OFF })).status).toBe(404);
  });

  it("takes Parameters by POST, with patients", async () => {
    const server = await startForTest();
    fillWithPatients(server, 3);
    const kick = await fetch(`${server.url}/Patient/$export`, {
      method: "POST",
      headers: KICK_OFF,
      body: JSON.stringify({
        resourceType: "Parameters",
        parameter: [
          { name: "_type", valueString: "Patient" },
          { name: "_type", valueString: "Condition" },
          { name: "patient", valueReference: { reference: "Patient/p2" } },
        ],
      }),
    });
    const poll = kick.headers.get("content-location") ?? "";
    await fetch(poll);
    const manifest = (await (await fetch(poll)).json()) as { output: { url: string }[] };
    expect(ids(await linesOf(manifest.output))).toEqual(["c2", "p2"]);
  });

  it("applies _typeFilter as any of the searches of a type, and cuts _elements with a SUBSETTED tag", async () => {
    const server = await startForTest();
    fillWithPatients(server, 4);
    const filter = encodeURIComponent("Condition?code=1");
    const { manifest } = await exportManifest(
      `${server.url}/$export?_type=Patient,Condition&_typeFilter=${filter}`,
    );
    expect(ids(await linesOf(manifest.output))).toEqual(["c1", "c3", "p0", "p1", "p2", "p3"]);
    const cut = await exportManifest(`${server.url}/$export?_type=Patient,Condition&_elements=Patient.id`);
    const [patient] = await linesOf(cut.manifest.output);
    expect(Object.keys(patient ?? {})).toEqual(["resourceType", "id", "meta"]);
    expect(patient?.["meta"]).toMatchObject({ tag: [{ code: "SUBSETTED" }] });
  });

  it("refuses what it does not know unless told to be lenient, and then says so in a file", async () => {
    const server = await startForTest();
    fillWithPatients(server, 1);
    const status = async (query: string, headers: Record<string, string> = KICK_OFF) =>
      (await fetch(`${server.url}/$export?${query}`, { headers })).status;
    expect(await status("_type=Patient&colour=red")).toBe(400);
    expect(await status("_type=Starship")).toBe(400);
    expect(await status("_since=2026-01-01")).toBe(400);
    expect(await status("_outputFormat=text/csv")).toBe(400);
    expect(await status("_type=Patient", { accept: "application/fhir+json" })).toBe(400);
    expect(await status("_type=Patient", { prefer: "respond-async", accept: "text/html" })).toBe(400);
    for (const format of ["ndjson", "application/ndjson", "application/fhir%2Bndjson"])
      expect(await status(`_outputFormat=${format}`)).toBe(202);
    const lenient = await exportManifest(`${server.url}/$export?_type=Patient&colour=red`, {
      prefer: "respond-async, handling=lenient",
    });
    expect(await linesOf(lenient.manifest.error ?? [])).toMatchObject([
      { resourceType: "OperationOutcome", issue: [{ severity: "information" }] },
    ]);
  });

  it("gives out partial manifests page by page when asked", async () => {
    const server = await startForTest({
      changes: { export: { rowsPerFile: 1 } },
      export: { filesPerPage: 2 },
    });
    fillWithPatients(server, 5);
    let url = await kickOff(`${server.url}/$export?_type=Patient&allowPartialManifests=true`);
    const seen: string[] = [];
    const statuses: number[] = [];
    for (;;) {
      const response = await fetch(url);
      statuses.push(response.status);
      const text = await response.text();
      if (text === "") continue;
      const manifest = JSON.parse(text) as { output: { url: string }[]; link?: { url: string }[] };
      seen.push(...ids(await linesOf(manifest.output)));
      if (response.status === 200) break;
      url = manifest.link?.[0]?.url ?? "";
    }
    expect(statuses).toEqual([202, 202, 202, 200]);
    expect(seen).toEqual(["p0", "p1", "p2", "p3", "p4"]);
  });

  it("forgets a job that was deleted, and links that have expired until the manifest is read again", async () => {
    let now = Date.now();
    const server = await startForTest({ now: () => now, export: { linkMs: 60_000 } });
    fillWithPatients(server, 2);
    const { manifest, poll } = await exportManifest(`${server.url}/$export?_type=Patient`);
    const file = manifest.output[0]?.url ?? "";
    now += 61_000;
    expect((await fetch(file)).status).toBe(410);
    const renewed = (await (await fetch(poll)).json()) as { output: { url: string }[] };
    expect((await fetch(renewed.output[0]?.url ?? "")).status).toBe(200);
    expect((await fetch(poll, { method: "DELETE" })).status).toBe(202);
    expect((await fetch(poll)).status).toBe(404);
    expect((await fetch(renewed.output[0]?.url ?? "")).status).toBe(404);
    expect((await fetch(poll, { method: "DELETE" })).status).toBe(404);
    now += 3_600_001;
  });
});

describe("profiles of $export", () => {
  it("no-since: only groups, always everything, without times", async () => {
    const server = await startForTest({ profile: "no-since" });
    fillWithPatients(server, 2);
    expect((await fetch(`${server.url}/$export`, { headers: KICK_OFF })).status).toBe(404);
    const since = "_since=2099-01-01T00:00:00Z";
    const { manifest } = await exportManifest(`${server.url}/Group/all/$export?_type=Patient&${since}`);
    const patients = await linesOf(manifest.output);
    expect(ids(patients)).toEqual(["p0", "p1"]);
    expect(patients.every((patient) => !("meta" in patient))).toBe(true);
    expect(manifest.deleted).toBeUndefined();
  });

  it("cerner-like: refuses a repeated _type, keeps one job, and redirects to files on another origin", async () => {
    const server = await startForTest({ profile: "cerner-like", auth: { bearer: "secret" } });
    fillWithPatients(server, 6);
    const headers = { authorization: "Bearer secret" };
    const status = async (query: string) =>
      (await fetch(`${server.url}/Group/all/$export?${query}`, { headers: { ...KICK_OFF, ...headers } }))
        .status;
    expect(await status("_type=Patient&_type=Condition")).toBe(400);
    expect(await status("_type=Patient")).toBe(202);
    expect(await status("_type=Patient")).toBe(429);
    server.expire("jobs");
    const { manifest } = await exportManifest(
      `${server.url}/Group/all/$export?_type=Patient,Condition`,
      headers,
    );
    expect(manifest.output.length).toBe(4);
    const file = manifest.output[0]?.url ?? "";
    const redirect = await fetch(file, { headers, redirect: "manual" });
    expect(redirect.status).toBe(307);
    const location = redirect.headers.get("location") ?? "";
    expect(location.startsWith(server.fileOrigin)).toBe(true);
    expect((await fetch(location, { headers })).status).toBe(400);
    expect((await (await fetch(location)).text()).split("\n").length).toBe(6);
    expect(server.requests.matching({ origin: "files" }).map(({ authorization }) => authorization)).toEqual([
      "bearer",
      undefined,
    ]);
  });

  it("epic-like: a second job for the same group waits until the first is deleted", async () => {
    const server = await startForTest({ profile: "epic-like" });
    fillWithPatients(server, 1);
    const { poll } = await exportManifest(`${server.url}/Group/all/$export?_type=Patient`);
    const again = () => fetch(`${server.url}/Group/all/$export?_type=Patient`, { headers: KICK_OFF });
    expect((await again()).status).toBe(429);
    await fetch(poll, { method: "DELETE" });
    expect((await again()).status).toBe(202);
  });

  it("hapi-like: files are Binary resources, in JSON for those who do not ask for NDJSON", async () => {
    const server = await startForTest({ profile: "hapi-like" });
    fillWithPatients(server, 1);
    const { manifest, poll } = await exportManifest(`${server.url}/$export?_type=Patient`);
    expect(poll).toContain("$export-poll-status?_jobId=");
    const url = manifest.output[0]?.url ?? "";
    expect(url).toContain("/Binary/");
    expect(await (await fetch(url)).json()).toMatchObject({ resourceType: "Binary" });
    const lines = await (await fetch(url, { headers: { accept: "application/fhir+ndjson" } })).text();
    expect(JSON.parse(lines)).toMatchObject({ resourceType: "Patient", id: "p0" });
    expect((await fetch(poll, { method: "DELETE" })).status).toBe(404);
    expect((await fetch(poll)).status).toBe(200);
  });
});
