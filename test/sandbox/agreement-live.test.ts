import { afterAll, beforeAll, expect, it } from "vitest";
import type { LakeServer } from "../../src/app/serve.js";
import { type FhirServer, startFhirServer } from "../support/fhir-server/index.js";
import { seeded } from "../support/random.js";
import { NOTIFY_SECRET, serveLive } from "../support/serve-live.js";
import { SourceLake } from "../support/source-lake.js";

let server: FhirServer;
let lake: SourceLake;
let serving: LakeServer;

function patient(id: string, family: string): string {
  return JSON.stringify({ resourceType: "Patient", id, name: [{ family }, { family: `${family} too` }] });
}

beforeAll(async () => {
  server = await startFhirServer({ export: { retryAfter: 0 } });
  for (let i = 0; i < 20; i++) server.store.put("Patient", `p${i}`, patient(`p${i}`, `Family ${i}`));
  lake = await SourceLake.open({ url: server.url, kind: "bulk", types: ["Patient"] }, { views: true });
  await lake.run();
  serving = await serveLive(lake.lake, lake.context.views);
});

afterAll(async () => {
  await serving.close();
  await lake.close();
  await server.close();
});

it("SQL and the addresses of views agree while changes flow in, and between flushes", async () => {
  const random = seeded(7);
  const rowsAt = async (address: string, body?: object): Promise<readonly [string | null, string]> => {
    const response = await fetch(
      `${serving.url}${address}`,
      body === undefined
        ? {}
        : {
            method: "POST",
            headers: { "Content-Type": "application/json" },
            body: JSON.stringify(body),
          },
    );
    expect(response.status).toBe(200);
    return [response.headers.get("X-Lake-Epoch"), await response.text()];
  };
  for (let round = 0; round < 3; round++) {
    for (let change = 0; change < 3; change++) {
      const id = `p${Math.floor(random() * 25)}`;
      const body = String(
        server.store.put("Patient", id, patient(id, `Round ${round} ${change}`)).text!.read(),
      );
      expect(
        (await fetch(`${serving.url}/notify/main/${NOTIFY_SECRET}`, { method: "POST", body })).status,
      ).toBe(204);
    }
    const epoch = await serving.live!.journal.head();
    const state = `min_epoch=${epoch}`;
    const rest = await rowsAt(
      `/views/patient_names.csv?select=patient_key,family&order=patient_key,family&${state}`,
    );
    const sql = await rowsAt(`/sql?${state}`, {
      sql: "SELECT patient_key, family FROM patient_names ORDER BY ALL",
      format: "csv",
    });
    expect(sql).toEqual(rest);
    expect(rest[0]).toBe(String(epoch));
    expect(rest[1]).toContain(`Round ${round} 2 too`);
    if (round === 1) await serving.live!.flush();
  }
});
