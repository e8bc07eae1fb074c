import { get } from "node:http";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { Fault, FhirServer } from "./index.js";
import { closeAfterEach, exportManifest, fillWithPatients, linesOf, startForTest } from "./testing.js";

closeAfterEach();

async function serverWith(fault: Fault, pattern: string, occurrences: number[] = [1]): Promise<FhirServer> {
  const server = await startForTest({ faults: [{ match: { pattern }, occurrences, fault }] });
  fillWithPatients(server, 5);
  return server;
}

async function firstFile(server: FhirServer): Promise<string> {
  const { manifest } = await exportManifest(`${server.url}/$export?_type=Patient`);
  return manifest.output[0]?.url ?? "";
}

/** A body as it came over the wire, not decoded. */
function rawBody(url: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    get(url, { headers: { "accept-encoding": "gzip" } }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve(Buffer.concat(chunks)));
      response.on("error", reject);
    }).on("error", reject);
  });
}

describe("the fault script", () => {
  it("strikes the requests it is told to and no others", async () => {
    const server = await serverWith({ kind: "status", status: 503, retryAfter: 3 }, "/fhir/Patient", [2, 3]);
    const seen = [];
    for (let i = 0; i < 4; i++) seen.push((await fetch(`${server.url}/Patient`)).status);
    expect(seen).toEqual([200, 503, 503, 200]);
    expect(server.faults.struck()).toEqual([2]);
    const [, second] = server.requests.matching({ path: "/fhir/Patient" });
    expect(second).toMatchObject({ status: 503, retryAfter: "3", faults: ["status"] });
  });

  it("writes Retry-After as seconds, dates and nonsense", async () => {
    const server = await startForTest();
    for (const retryAfter of ["1795243948648", { dateInSeconds: 30 }, 5])
      server.faults.add({ match: {}, fault: { kind: "status", status: 429, retryAfter } });
    const header = async () => (await fetch(`${server.url}/metadata`)).headers.get("retry-after");
    expect(await header()).toBe("1795243948648");
    server.faults.clear();
    server.faults.add({
      match: {},
      fault: { kind: "status", status: 429, retryAfter: { dateInSeconds: 30 } },
    });
    const date = Date.parse((await header()) ?? "");
    expect(Math.abs(date - Date.now() - 30_000)).toBeLessThan(2000);
  });

  it("notices who comes back before Retry-After allows it", async () => {
    const server = await serverWith({ kind: "status", status: 429, retryAfter: 60 }, "/fhir/Patient");
    await fetch(`${server.url}/Patient`);
    await fetch(`${server.url}/Patient`);
    expect(server.requests.tooEarly().length).toBe(1);
  });

  it("ends a body early, quietly or by a cut connection", async () => {
    const quiet = await serverWith({ kind: "truncate", bytes: 100 }, "_files");
    const plain = { headers: { "accept-encoding": "identity" } };
    expect((await (await fetch(await firstFile(quiet), plain)).text()).length).toBe(100);
    const dead = await serverWith({ kind: "die", bytes: 100 }, "_files");
    const url = await firstFile(dead);
    await expect(fetch(url, plain).then((response) => response.text())).rejects.toThrow();
    expect((await (await fetch(url)).text()).length).toBeGreaterThan(100);
    expect(dead.requests.matching({ path: /_files/ }).map(({ completed }) => completed)[0]).toBe(false);
    expect([...dead.requests.filesFetched().values()]).toEqual([1]);
  });

  it("loses an answer to a request that was carried out", async () => {
    const server = await serverWith({ kind: "answer-lost" }, "/fhir/Patient/new");
    const write = () =>
      fetch(`${server.url}/Patient/new`, { method: "PUT", body: '{"resourceType":"Patient","id":"new"}' });
    await expect(write()).rejects.toThrow();
    expect(server.store.current("Patient", "new")?.version).toBe(1);
    expect((await write()).status).toBe(200);
  });

  it("puts garbage between the lines of a file, and into its compression", async () => {
    const garbage = await serverWith({ kind: "garbage-line", text: "{not json", line: 2 }, "_files");
    const lines = (await (await fetch(await firstFile(garbage))).text()).split("\n");
    expect(lines[2]).toBe("{not json");
    expect(lines.filter(Boolean).length).toBe(6);
    const corrupt = await serverWith({ kind: "corrupt-gzip" }, "_files");
    const sent = await rawBody(await firstFile(corrupt));
    expect(sent.subarray(0, 2)).toEqual(Buffer.from([0x1f, 0x8b]));
    expect(() => gunzipSync(sent)).toThrow();
  });

  it("misstates counts, lengths and totals", async () => {
    const count = await serverWith({ kind: "wrong-count", by: 1 }, "_jobs", [1, 2]);
    const { manifest } = await exportManifest(`${count.url}/$export?_type=Patient`);
    expect(manifest.output[0]?.count).toBe(6);
    const total = await serverWith({ kind: "change-total", by: 3 }, "/fhir/Patient");
    expect(await (await fetch(`${total.url}/Patient`)).json()).toMatchObject({ total: 8 });
    const length = await serverWith({ kind: "wrong-length", by: 10 }, "_files");
    const file = await firstFile(length);
    await expect(fetch(file).then((response) => response.text())).rejects.toThrow();
  });

  it("redirects to another origin, expires links and delays", async () => {
    const elsewhere = await startForTest();
    const server = await serverWith({ kind: "redirect", to: elsewhere.fileOrigin }, "/fhir/Patient");
    const redirected = await fetch(`${server.url}/Patient`, { redirect: "manual" });
    expect(redirected.headers.get("location")).toBe(`${elsewhere.fileOrigin}/fhir/Patient`);
    const expired = await serverWith({ kind: "expire-link", status: 403 }, "_files");
    expect((await fetch(await firstFile(expired))).status).toBe(403);
    const slow = await serverWith({ kind: "delay", milliseconds: 300 }, "/fhir/Patient");
    const started = Date.now();
    await fetch(`${slow.url}/Patient`);
    expect(Date.now() - started).toBeGreaterThanOrEqual(290);
  });

  it("answers a page that was there before", async () => {
    const server = await startForTest();
    fillWithPatients(server, 5);
    server.faults.add({ match: { pattern: "_page=" }, occurrences: [2], fault: { kind: "stale-page" } });
    const page = async (url: string) =>
      (await (await fetch(url)).json()) as { link: { relation: string; url: string }[]; entry: unknown[] };
    const next = (from: { link: { relation: string; url: string }[] }) =>
      from.link.find(({ relation }) => relation === "next")?.url ?? "";
    const first = await page(`${server.url}/Patient?_count=2`);
    const second = await page(next(first));
    const third = await page(next(second));
    expect(third.entry).toEqual(second.entry);
  });

  it("lists a file of errors in place of the files of a type", async () => {
    const issues = [{ severity: "error" as const, diagnostics: "Conditions could not be read." }];
    const server = await serverWith({ kind: "error-file", issues, instead: "Condition" }, "_jobs", [2]);
    const { manifest } = await exportManifest(`${server.url}/$export?_type=Patient,Condition`);
    expect(manifest.output.map(({ type }) => type)).toEqual(["Patient"]);
    expect(await linesOf(manifest.error ?? [])).toMatchObject([{ issue: [{ severity: "error" }] }]);
  });

  it("is set and read over the admin routes too", async () => {
    const server = await startForTest();
    const admin = server.url.replace(/fhir$/, "_admin");
    await fetch(`${admin}/faults`, {
      method: "POST",
      body: JSON.stringify({ match: { path: "/fhir/Patient" }, fault: { kind: "status", status: 500 } }),
    });
    expect((await fetch(`${server.url}/Patient`)).status).toBe(500);
    expect(await (await fetch(`${admin}/faults`)).json()).toEqual([1]);
    await fetch(`${admin}/faults`, { method: "DELETE" });
    expect((await fetch(`${server.url}/Patient`)).status).toBe(200);
    const requests = (await (await fetch(`${admin}/requests`)).json()) as { path: string; status: number }[];
    expect(requests.map(({ status }) => status)).toEqual([500, 200]);
  });

  it("counts requests under way at once", async () => {
    const server = await startForTest();
    server.faults.add({ match: {}, fault: { kind: "delay", milliseconds: 100 } });
    await Promise.all([1, 2, 3].map(() => fetch(`${server.url}/metadata`)));
    expect(server.requests.mostParallel({ path: "/fhir/metadata" })).toBe(3);
  });
});
