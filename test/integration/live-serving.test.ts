import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createFhirHttp } from "#ingestion";
import type { LakeServer } from "../../src/app/serve.js";
import { type FhirServer, startFhirServer } from "../support/fhir-server/index.js";
import { NOTIFY_SECRET, serveLive } from "../support/serve-live.js";
import { SourceLake } from "../support/source-lake.js";

function patient(id: string, family: string): string {
  return JSON.stringify({ resourceType: "Patient", id, name: [{ family }] });
}

describe("a lake that serves live changes of a source", () => {
  let server: FhirServer;
  let lake: SourceLake;
  let serving: LakeServer;
  const windows = async (): Promise<string[]> => {
    const types: string[] = [];
    for await (const { type } of serving.live!.journal.readStream("subscription/main", 1)) types.push(type);
    return types;
  };

  beforeEach(async () => {
    server = await startFhirServer({ export: { retryAfter: 0 } });
    for (const id of ["p1", "p2", "p3"]) server.store.put("Patient", id, patient(id, `Family ${id}`));
    lake = await SourceLake.open({ url: server.url, kind: "bulk", types: ["Patient"] }, { views: true });
    await lake.run();
    const http = createFhirHttp({ baseUrl: server.url, auth: { kind: "none" } });
    serving = await serveLive(lake.lake, lake.context.views, {
      live: {
        fetchBack: {
          source: (name) => (name === "main" ? { policy: "time", http } : undefined),
          sources: ["main"],
        },
      },
    });
  });
  afterEach(async () => {
    await serving.close();
    await lake.close();
    await server.close();
  });

  const notify = async (method: string, path: string, body?: string): Promise<number> => {
    const response = await fetch(`${serving.url}/notify/main/${path}`, {
      method,
      ...(body === undefined ? {} : { body }),
    });
    return response.status;
  };
  const families = async (query = ""): Promise<string[]> => {
    const response = await fetch(`${serving.url}/views/patient_names.csv?select=family${query}`);
    expect(response.status).toBe(200);
    const [, ...rows] = (await response.text()).trim().split(/\r?\n/);
    return rows.sort();
  };
  const settled = async (): Promise<number> => {
    // Fetching back appends events of its own; nothing is pending when the head stays.
    for (let last = -1; ; ) {
      const head = await serving.live!.journal.head();
      if (head === last) return head;
      last = head;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  };

  it("shows what was posted at once, and asks the source about what was only named", async () => {
    expect(await families()).toEqual(["Family p1", "Family p2", "Family p3"]);
    const changed = server.store.put("Patient", "p1", patient("p1", "Changed"));
    expect(await notify("PUT", `${NOTIFY_SECRET}/Patient/p1`, String(changed.text!.read()))).toBe(204);
    const epoch = await serving.live!.journal.head();
    expect(await families(`&min_epoch=${epoch}`)).toEqual(["Changed", "Family p2", "Family p3"]);
    // The delete says neither time nor version: the source confirms it.
    server.store.delete("Patient", "p2");
    expect(await notify("DELETE", `${NOTIFY_SECRET}/Patient/p2`)).toBe(204);
    // A delete that did not happen changes nothing.
    expect(await notify("DELETE", `${NOTIFY_SECRET}/Patient/p3`)).toBe(204);
    const later = await settled();
    expect(await families(`&min_epoch=${later}`)).toEqual(["Changed", "Family p3"]);
    expect(await families("&consistency=batch")).toEqual(["Family p1", "Family p2", "Family p3"]);
    expect(await windows()).toEqual([]);
    // Nobody says what changed: a run is due.
    expect(await notify("POST", NOTIFY_SECRET)).toBe(204);
    expect(await windows()).toEqual(["window-dirty"]);
  });

  it("gives the same rows after a flush, a run of the source and a restart", async () => {
    const changed = server.store.put("Patient", "p1", patient("p1", "Changed"));
    await notify("POST", NOTIFY_SECRET, String(changed.text!.read()));
    const before = await families(`&min_epoch=${await serving.live!.journal.head()}`);
    expect(before).toEqual(["Changed", "Family p2", "Family p3"]);
    await serving.live!.flush();
    expect(await families()).toEqual(before);
    expect(await families("&consistency=batch")).toEqual(before);
    server.store.put("Patient", "p3", patient("p3", "By the run"));
    await lake.run();
    await serving.live!.rows.refresh();
    expect(await families()).toEqual(["By the run", "Changed", "Family p2"]);
  });

  it("pages through the state of the first page while changes, a flush and a run go on", async () => {
    const put = async (id: string, family: string): Promise<void> => {
      const changed = server.store.put("Patient", id, patient(id, family));
      expect(await notify("POST", NOTIFY_SECRET, String(changed.text!.read()))).toBe(204);
    };
    await put("p1", "Changed");
    const epoch = await serving.live!.journal.head();
    const found: string[] = [];
    const meanwhile = [
      async () => await put("p4", "New"),
      async () => await serving.live!.flush(),
      async () => {
        server.store.put("Patient", "p2", patient("p2", "By the run"));
        await lake.run();
        await serving.live!.rows.refresh();
      },
    ];
    let address: string | undefined =
      `/views/patient_names.csv?select=family&limit=1&order=family&min_epoch=${epoch}`;
    while (address !== undefined) {
      const response: Response = await fetch(`${serving.url}${address}`);
      expect(response.status).toBe(200);
      expect(response.headers.get("X-Lake-Epoch")).toBe(String(epoch));
      found.push((await response.text()).trim().split("\n")[1]!);
      address = /<([^>]+)>; rel="next"/.exec(response.headers.get("Link") ?? "")?.[1];
      await meanwhile.shift()?.();
    }
    expect(found).toEqual(["Changed", "Family p2", "Family p3"]);
    expect(await families()).toEqual(["By the run", "Changed", "Family p3", "New"]);
  });

  it("says on every answer how fresh it is, in every format, and in full at /freshness", async () => {
    const changed = server.store.put("Patient", "p1", patient("p1", "Changed"));
    await notify("POST", NOTIFY_SECRET, String(changed.text!.read()));
    const epoch = await serving.live!.journal.head();
    const snapshot = (await lake.lake.head()).id;
    for (const place of [
      ...["csv", "ndjson", "json", "parquet", "arrow", "html"].map(
        (format) => `/views/patient_names.${format}`,
      ),
      "/views",
      "/views/patient_names/schema",
      "/freshness",
    ]) {
      const join = place.includes("freshness") ? "" : `?min_epoch=${epoch}`;
      const response = await fetch(`${serving.url}${place}${join}`);
      expect(response.status, place).toBe(200);
      const headers = Object.fromEntries(response.headers);
      expect(headers, place).toMatchObject({
        "x-lake-snapshot": String(snapshot),
        "x-lake-state": "ok",
        "x-lake-deletes-verified": "true",
      });
      expect(Number(headers["x-lake-epoch"]), place).toBeGreaterThanOrEqual(epoch);
      expect(headers["x-lake-lag-seconds"], place).toMatch(/^[0-9]$/);
      expect(headers["x-lake-sources"], place).toMatch(/^"main";state=batch;age=\d+$/);
    }
    const list = await (await fetch(`${serving.url}/views`)).json();
    expect(list).toMatchObject({ snapshot, state: "ok", deletesVerified: true });
    const batch = await fetch(`${serving.url}/views/patient_names.csv?consistency=batch`);
    expect(batch.headers.get("X-Lake-Epoch")).toBeNull();
    const pinned = await fetch(`${serving.url}/views/patient_names.csv?snapshot=${snapshot}`);
    expect(pinned.headers.get("X-Lake-State")).toBe("pinned");
    expect(pinned.headers.get("X-Lake-Lag-Seconds")).toBeNull();
  });

  it("lets the lag of snapshot reads grow while a change waits for the next flush", async () => {
    const lag = async (consistency: string): Promise<number> => {
      const response = await fetch(`${serving.url}/views/patient_names.csv?consistency=${consistency}`);
      await response.arrayBuffer();
      return Number(response.headers.get("X-Lake-Lag-Seconds"));
    };
    const changed = server.store.put("Patient", "p1", patient("p1", "Changed"));
    await notify("POST", NOTIFY_SECRET, String(changed.text!.read()));
    await serving.live!.rows.reached(await serving.live!.journal.head());
    await expect.poll(() => lag("batch"), { timeout: 10_000 }).toBeGreaterThanOrEqual(2);
    expect(await lag("merged")).toBeLessThan(2);
    await serving.live!.flush();
    expect(await lag("batch")).toBeLessThan(2);
  });

  it("takes a body whose length is not told beforehand, and refuses one that turns out too long", async () => {
    const stream = async (text: string): Promise<number> => {
      const init = { method: "POST", body: new Blob([text]).stream(), duplex: "half" as const };
      return (await fetch(`${serving.url}/notify/main/${NOTIFY_SECRET}`, init)).status;
    };
    expect(await stream(patient("p1", "Streamed"))).toBe(204);
    expect(await stream(`${" ".repeat(8 * 1024 * 1024)}${patient("p2", "Long")}`)).toBe(413);
    const epoch = await serving.live!.journal.head();
    expect(await families(`&min_epoch=${epoch}`)).toEqual(["Family p2", "Family p3", "Streamed"]);
  });

  it("counts what it could not use, by source and reason, and not what had no right to be sent", async () => {
    const counts = async (): Promise<string[]> => {
      const text = await (await fetch(`${serving.url}/metrics`)).text();
      return text.split("\n").filter((line) => line.startsWith("fhir_lake_dead_letters_total"));
    };
    expect(await counts()).toEqual([]);
    for (const body of ["{", "{", JSON.stringify({ resourceType: "Patient" })]) {
      expect(await notify("POST", NOTIFY_SECRET, body)).toBe(422);
    }
    expect(await notify("POST", "wrong", "{")).toBe(401);
    expect(await counts()).toEqual([
      'fhir_lake_dead_letters_total{source="main",code="truncated"} 2',
      'fhir_lake_dead_letters_total{source="main",code="missing-id"} 1',
    ]);
  });

  it("lets go of dead letters that are older than their retention", async () => {
    expect(await notify("POST", NOTIFY_SECRET, "{")).toBe(422);
    const { journal } = serving.live!;
    const old = { type: "notification-refused", data: {}, occurredAt: "2020-01-01T00:00:00Z" };
    await journal.append({ stream: "dead-letter/other", events: [old], expected: "any" });
    expect(await notify("POST", NOTIFY_SECRET, "{")).toBe(422);
    await serving.close();
    serving = await serveLive(lake.lake, lake.context.views);
    const again = serving.live!.journal;
    const sources = async (): Promise<string[]> => {
      const after = await again.trimmedTo("dead-letter/");
      const events = await again.readAll(after, 9, { streamPrefix: "dead-letter/" });
      return events.map(({ stream }) => stream);
    };
    await expect.poll(sources).toEqual(["dead-letter/main"]);
  });

  it("refuses forged notifications and odd reads", async () => {
    expect(await notify("POST", "wrong", patient("p1", "Forged"))).toBe(401);
    expect(await families()).toEqual(["Family p1", "Family p2", "Family p3"]);
    for (const query of ["consistency=fresh", "min_epoch=x", "snapshot=1&min_epoch=0"]) {
      const response = await fetch(`${serving.url}/views/patient_names.json?${query}`);
      expect(response.status, query).toBe(400);
    }
  });
});
