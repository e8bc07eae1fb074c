import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { compact, vacuum } from "#lake";
import type { LakeServer } from "../../src/app/serve.js";
import { type FhirServer, startFhirServer } from "../support/fhir-server/index.js";
import { NOTIFY_SECRET, serveLive } from "../support/serve-live.js";
import { SourceLake } from "../support/source-lake.js";

const ROWS = "/views/patient_names";

function patient(id: string, family: string): string {
  return JSON.stringify({ resourceType: "Patient", id, gender: "female", name: [{ family }] });
}

describe("pins over HTTP", () => {
  let server: FhirServer;
  let lake: SourceLake;
  let serving: LakeServer;

  const serve = async (): Promise<LakeServer> => await serveLive(lake.lake, lake.context.views);

  beforeEach(async () => {
    server = await startFhirServer({ export: { retryAfter: 0 } });
    for (const id of ["p1", "p2", "p3"]) server.store.put("Patient", id, patient(id, `Family ${id}`));
    lake = await SourceLake.open({ url: server.url, kind: "bulk", types: ["Patient"] }, { views: true });
    await lake.run();
    serving = await serve();
  });
  afterEach(async () => {
    await serving.close();
    await lake.close();
    await server.close();
  });

  const get = async (address: string): Promise<Response> => await fetch(`${serving.url}${address}`);
  const bytes = async (address: string): Promise<string> => {
    const response = await get(address);
    expect(response.status, address).toBe(200);
    return Buffer.from(await response.arrayBuffer()).toString("base64");
  };
  const post = async (body: string, type = "application/json"): Promise<Response> =>
    await fetch(`${serving.url}/pins`, { method: "POST", headers: { "Content-Type": type }, body });
  const change = async (id: string, family: string): Promise<void> => {
    const changed = server.store.put("Patient", id, patient(id, family));
    const response = await fetch(`${serving.url}/notify/main/${NOTIFY_SECRET}`, {
      method: "POST",
      body: String(changed.text!.read()),
    });
    expect(response.status).toBe(204);
  };

  it("are walked page by page across a restart of the server", async () => {
    expect((await post('{"name":"walk"}')).status).toBe(201);
    const first = await get(`${ROWS}.ndjson?pin=walk&select=family&limit=2`);
    const next = /<([^>]+)>/.exec(first.headers.get("Link") ?? "")?.[1];
    expect((await first.text()).trimEnd().split("\n")).toHaveLength(2);
    await serving.close();
    serving = await serve();
    const second = await get(next ?? "no next page");
    expect(second.status).toBe(200);
    expect(await second.text()).toBe('{"family":"Family p3"}\n');
  });

  it("repeat every byte through changes, flushes, compaction, vacuum and a restart until released, and then fail for good", async () => {
    await change("p1", "Live");
    const made = await post('{"name":"paper"}');
    expect(made.status).toBe(201);
    const pin = (await made.json()) as { snapshot: number; use: string };
    expect(pin).toMatchObject({ name: "paper", until: null, use: "pin=paper" });
    const addresses = ["csv", "json", "parquet", "arrow", "arrows", "xlsx", "ndjson", "md"].map(
      (format) => `${ROWS}.${format}?pin=paper&order=family`,
    );
    const before = await Promise.all(addresses.map(bytes));
    const first = await get(`${ROWS}.csv?pin=paper&select=family`);
    expect(await first.text()).toContain("Live");
    expect(first.headers.get("Cache-Control")).toBe("private, max-age=86400, immutable");
    expect(first.headers.get("X-Lake-State")).toBe("pinned");

    await change("p2", "Later");
    await serving.live!.flush();
    await change("p3", "Later still");
    await serving.live!.flush();
    await compact(lake.lake, { full: true });
    await vacuum(lake.lake, { keepSnapshots: 1, graceMs: 0 });
    await serving.close();
    serving = await serve();
    expect(await Promise.all(addresses.map(bytes))).toEqual(before);
    expect(await (await get(`${ROWS}.csv?select=family`)).text()).toContain("Later still");
    expect(await (await get("/pins")).json()).toMatchObject({
      pins: [{ name: "paper", snapshot: pin.snapshot }],
    });

    const released = await fetch(`${serving.url}/pins/paper`, { method: "DELETE" });
    expect(released.status).toBe(200);
    const gone = await get(addresses[0]!);
    expect(gone.status).toBe(410);
    expect(await gone.json()).toMatchObject({
      type: "urn:fhir-lake:error:lake/pin-released",
      snapshot: pin.snapshot,
    });
    const again = await post('{"name":"paper"}');
    expect([again.status, ((await again.json()) as { type: string }).type]).toEqual([
      409,
      "urn:fhir-lake:error:lake/pin-name-used",
    ]);
  });

  it("refuse what they cannot keep", async () => {
    for (const [body, type, status, code] of [
      ['{"name":"a"}', "text/plain", 415, "serving/not-json"],
      ["{", "application/json", 400, "serving/bad-json"],
      ['{"nam":"a"}', "application/json", 400, "serving/bad-pin"],
      ['{"name":"a b"}', "application/json", 400, "lake/bad-pin-name"],
      ['{"name":"a","snapshot":99}', "application/json", 404, "lake/no-such-snapshot"],
    ] as const) {
      const response = await post(body, type);
      expect([response.status, ((await response.json()) as { type: string }).type]).toEqual([
        status,
        `urn:fhir-lake:error:${code}`,
      ]);
    }
    expect((await get(`${ROWS}?pin=none`)).status).toBe(404);
    expect((await get(`${ROWS}?pin=none&snapshot=1`)).status).toBe(400);
  });

  it("and times name states, and a view tells its columns' meaning and its origin", async () => {
    const snapshot = (await lake.lake.head()).id;
    const { committedAt } = await lake.lake.head();
    const at = await get(`${ROWS}.csv?as_of=${committedAt}`);
    expect([at.status, at.headers.get("X-Lake-Snapshot")]).toEqual([200, String(snapshot)]);
    const early = await get(`${ROWS}.csv?as_of=2001-01-01T00:00:00Z`);
    expect(early.status).toBe(410);
    expect(await early.json()).toMatchObject({ type: "urn:fhir-lake:error:query/as-of-gone", oldest: 1 });
    for (const wrong of ["2026-01-01", "2999-01-01T00:00:00Z", "2026-13-01T00:00:00Z"]) {
      expect((await get(`${ROWS}.csv?as_of=${wrong}`)).status, wrong).toBe(400);
    }
    const schema = (await (await get("/views/patient_demographics/schema")).json()) as {
      columns: Record<string, unknown>[];
      derivedColumns: { name: string }[];
    };
    expect(schema.columns[0]).toMatchObject({
      name: "patient_key",
      phi: "direct-identifier",
      nullable: false,
    });
    expect(schema.derivedColumns.map(({ name }) => name)).toEqual(["age", "age_min", "age_max"]);
    const lineage = await (await get(`${ROWS}/lineage`)).json();
    expect(lineage).toMatchObject({
      name: "patient_names",
      snapshot,
      sources: [{ name: "main" }],
      viewDefinition: { resourceType: "ViewDefinition", name: "patient_names" },
    });
    const profile = (await (await get("/views/patient_demographics/profile")).json()) as {
      minimumGroup: number;
      columns: { name: string; top: unknown; nullPercent: number }[];
    };
    expect(profile.minimumGroup).toBe(11);
    const by = new Map(profile.columns.map((column) => [column.name, column]));
    expect(by.get("patient_key")).toMatchObject({ top: null, nullPercent: 0, low: null });
    expect(by.get("gender")).toMatchObject({ top: [], nullPercent: 0 });
    expect(JSON.stringify(profile)).not.toContain("female");
  });
});
