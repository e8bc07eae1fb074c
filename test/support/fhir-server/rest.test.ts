import { describe, expect, it } from "vitest";
import type { FhirServer, FhirServerOptions } from "./index.js";
import { closeAfterEach, startForTest as start } from "./testing.js";

closeAfterEach();

interface BundleJson {
  total?: number;
  link?: { relation: string; url: string }[];
  entry?: {
    fullUrl?: string;
    resource?: Record<string, unknown> & { id: string };
    request?: { method: string; url: string };
    response?: Record<string, string>;
  }[];
}

async function bundle(url: string, init?: RequestInit): Promise<BundleJson> {
  const response = await fetch(url, init);
  expect(response.status).toBe(200);
  return (await response.json()) as BundleJson;
}

async function allPages(url: string): Promise<BundleJson["entry"] & object> {
  const entries: BundleJson["entry"] & object = [];
  for (let next: string | undefined = url; next !== undefined; ) {
    const page: BundleJson = await bundle(next);
    entries.push(...(page.entry ?? []));
    next = page.link?.find(({ relation }) => relation === "next")?.url;
  }
  return entries;
}

const put = (server: FhirServer, path: string, body: string, headers: Record<string, string> = {}) =>
  fetch(`${server.url}/${path}`, { method: "PUT", body, headers });

describe("writing and reading", () => {
  it("gives versions, keeps the text of decimals and sets meta", async () => {
    const server = await start();
    const body = '{ "resourceType":"Observation", "id":"o", "valueQuantity": {"value": 1.10} }';
    const created = await put(server, "Observation/o", body);
    expect(created.status).toBe(201);
    expect(created.headers.get("location")).toBe(`${server.url}/Observation/o/_history/1`);
    const updated = await put(server, "Observation/o", body);
    expect(updated.status).toBe(200);
    const read = await fetch(`${server.url}/Observation/o`);
    expect(read.headers.get("etag")).toBe('W/"2"');
    const text = await read.text();
    expect(text).toContain('"value":1.10');
    const parsed = JSON.parse(text) as { meta: { versionId: string; lastUpdated: string } };
    expect(parsed.meta.versionId).toBe("2");
    expect(Date.parse(parsed.meta.lastUpdated)).toBeGreaterThan(Date.now() - 5000);
    const first = await fetch(`${server.url}/Observation/o/_history/1`);
    expect(((await first.json()) as { meta: { versionId: string } }).meta.versionId).toBe("1");
  });

  it("answers 404 for what never was, 410 for what was deleted, and brings it back by an update", async () => {
    const server = await start();
    expect((await fetch(`${server.url}/Patient/p`)).status).toBe(404);
    await put(server, "Patient/p", '{"resourceType":"Patient","id":"p"}');
    expect((await fetch(`${server.url}/Patient/p`, { method: "DELETE" })).status).toBe(204);
    expect((await fetch(`${server.url}/Patient/p`)).status).toBe(410);
    expect((await fetch(`${server.url}/Patient/p/_history/2`)).status).toBe(410);
    expect((await put(server, "Patient/p", '{"resourceType":"Patient","id":"p"}')).status).toBe(201);
    expect((await fetch(`${server.url}/Patient/p`)).headers.get("etag")).toBe('W/"3"');
  });

  it("refuses a write whose If-Match names an old version", async () => {
    const server = await start();
    const body = '{"resourceType":"Patient","id":"p"}';
    await put(server, "Patient/p", body);
    expect((await put(server, "Patient/p", body, { "if-match": 'W/"1"' })).status).toBe(200);
    expect((await put(server, "Patient/p", body, { "if-match": 'W/"1"' })).status).toBe(412);
  });

  it("refuses bodies that are no JSON, of another type or with another id", async () => {
    const server = await start();
    expect((await put(server, "Patient/p", "{")).status).toBe(400);
    expect((await put(server, "Patient/p", '{"resourceType":"Group","id":"p"}')).status).toBe(400);
    expect((await put(server, "Patient/p", '{"resourceType":"Patient","id":"q"}')).status).toBe(400);
  });

  it("runs a transaction wholly or not at all", async () => {
    const server = await start();
    const entry = (method: string, url: string, resource?: unknown) => ({
      resource,
      request: { method, url },
    });
    const post = (entries: unknown[]) =>
      fetch(server.url, {
        method: "POST",
        body: JSON.stringify({ resourceType: "Bundle", type: "transaction", entry: entries }),
      });
    const good = entry("PUT", "Patient/a", { resourceType: "Patient", id: "a" });
    expect((await post([good, entry("PUT", "Patient/b")])).status).toBe(400);
    expect(server.store.count("Patient")).toBe(0);
    expect((await post([good, entry("DELETE", "Patient/zz")])).status).toBe(200);
    expect(server.store.count("Patient")).toBe(1);
  });
});

describe("history", () => {
  it("lists versions newest first with deletes, since an instant, in pages", async () => {
    let now = Date.parse("2026-01-01T00:00:00Z");
    const server = await start({ now: () => now });
    for (const id of ["a", "b", "c"]) {
      await put(server, `Patient/${id}`, `{"resourceType":"Patient","id":"${id}"}`);
      now += 1000;
    }
    await fetch(`${server.url}/Patient/b`, { method: "DELETE" });
    const whole = await allPages(`${server.url}/Patient/_history?_count=3`);
    expect(whole.map(({ request }) => `${request?.method} ${request?.url}`)).toEqual([
      "DELETE Patient/b",
      "PUT Patient/c",
      "PUT Patient/b",
      "PUT Patient/a",
    ]);
    expect(whole[0]?.resource).toBeUndefined();
    expect(whole[0]?.response).toMatchObject({ etag: 'W/"2"', lastModified: "2026-01-01T00:00:03.000Z" });
    const recent = await allPages(`${server.url}/_history?_since=2026-01-01T00:00:02.000Z`);
    expect(recent.map(({ request }) => request?.url)).toEqual(["Patient/b", "Patient/c"]);
    expect((await allPages(`${server.url}/Patient/b/_history`)).length).toBe(2);
  });

  it("tells versions but no times where the profile is like HAPI", async () => {
    const server = await start({ profile: "hapi-like" });
    await put(server, "Patient/a", '{"resourceType":"Patient","id":"a"}');
    await fetch(`${server.url}/Patient/a`, { method: "DELETE" });
    const [deleted, created] = await allPages(`${server.url}/Patient/_history`);
    expect(deleted?.request).toEqual({ method: "DELETE", url: "Patient/a/_history/2" });
    expect(deleted?.response).toEqual({ status: "200 OK", etag: 'W/"2"' });
    expect(created?.request).toEqual({ method: "POST", url: "Patient/a/_history/1" });
  });

  it("is missing in the profile without history", async () => {
    const server = await start({ profile: "no-history" });
    expect((await fetch(`${server.url}/Patient/_history`)).status).toBe(404);
    const capabilities = JSON.stringify(await (await fetch(`${server.url}/metadata`)).json());
    expect(capabilities).not.toContain("history-type");
  });
});

describe("search", () => {
  async function filled(options: FhirServerOptions = {}): Promise<FhirServer> {
    let now = Date.parse("2026-01-01T00:00:00Z");
    const server = await start({ ...options, now: () => now });
    for (let i = 0; i < 7; i++) {
      server.store.put(
        "Observation",
        `o${i}`,
        JSON.stringify({
          resourceType: "Observation",
          id: `o${i}`,
          status: "final",
          subject: { reference: `Patient/p${i % 2}` },
          code: { coding: [{ system: "http://loinc.org", code: i % 3 === 0 ? "4548-4" : "718-7" }] },
        }),
      );
      now += 1000;
    }
    return server;
  }
  const ids = (entries: BundleJson["entry"]) => entry(entries).map(({ resource }) => resource?.id);
  const entry = (entries: BundleJson["entry"]) => entries ?? [];

  it("compares _lastUpdated by its prefixes and reads both ends as AND", async () => {
    const server = await filled();
    const search = async (query: string) => ids((await bundle(`${server.url}/Observation?${query}`)).entry);
    expect(await search("_lastUpdated=ge2026-01-01T00:00:05.000Z")).toEqual(["o5", "o6"]);
    expect(await search("_lastUpdated=gt2026-01-01T00:00:05.000Z")).toEqual(["o6"]);
    expect(await search("_lastUpdated=lt2026-01-01T00:00:01.000Z")).toEqual(["o0"]);
    expect(await search("_lastUpdated=le2026-01-01T01:00:01.000%2B01:00")).toEqual(["o0", "o1"]);
    expect(await search("_lastUpdated=ge2026-01-01T00:00:02Z&_lastUpdated=lt2026-01-01T00:00:04Z")).toEqual([
      "o2",
      "o3",
    ]);
    expect((await search("_lastUpdated=2026-01-01")).length).toBe(7);
    expect((await fetch(`${server.url}/Observation?_lastUpdated=soon`)).status).toBe(400);
  });

  it("finds by id, patient and code, and by POST", async () => {
    const server = await filled();
    const search = async (query: string) => ids((await bundle(`${server.url}/Observation?${query}`)).entry);
    expect(await search("_id=o3,o5")).toEqual(["o3", "o5"]);
    expect(await search("patient=p1&code=http://loinc.org|4548-4")).toEqual(["o3"]);
    expect(await search("subject=Patient/p1&_sort=-_lastUpdated")).toEqual(["o5", "o3", "o1"]);
    const posted = await bundle(`${server.url}/Observation/_search`, {
      method: "POST",
      body: new URLSearchParams({ patient: "Patient/p1" }),
    });
    expect(ids(posted.entry)).toEqual(["o1", "o3", "o5"]);
  });

  it("gives pages by opaque links that hold the result still and expire", async () => {
    const server = await filled();
    const first = await bundle(`${server.url}/Observation?_count=3&_sort=_lastUpdated`);
    expect(first.total).toBe(7);
    server.store.delete("Observation", "o1");
    const next = first.link?.find(({ relation }) => relation === "next")?.url ?? "";
    expect(ids((await bundle(next)).entry)).toEqual(["o3", "o4", "o5"]);
    server.expire("pages");
    expect((await fetch(next)).status).toBe(410);
  });

  it("counts without entries, omits totals, and cuts elements with a SUBSETTED tag", async () => {
    const server = await filled();
    const counted = await bundle(`${server.url}/Observation?_summary=count`);
    expect(counted).toMatchObject({ total: 7 });
    expect(counted.entry).toBeUndefined();
    expect((await bundle(`${server.url}/Observation?_total=none`)).total).toBeUndefined();
    const cut = (await bundle(`${server.url}/Observation?_elements=status&_id=o1`)).entry?.[0]?.resource;
    expect(Object.keys(cut ?? {})).toEqual(["resourceType", "id", "meta", "status"]);
    expect(cut?.["meta"]).toMatchObject({ tag: [{ code: "SUBSETTED" }] });
  });

  it("ignores unknown parameters unless the client or the profile is strict", async () => {
    const server = await filled();
    const url = `${server.url}/Observation?colour=red`;
    expect((await bundle(url)).total).toBe(7);
    expect((await fetch(url, { headers: { prefer: "handling=strict" } })).status).toBe(400);
    const epic = await filled({ profile: "epic-like" });
    expect((await fetch(`${epic.url}/Observation?_lastUpdated=ge2026`)).status).toBe(400);
  });
});
