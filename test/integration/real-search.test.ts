import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  compareContent,
  createFhirHttp,
  type FetchedBatch,
  type FhirHttp,
  fetchBySearch,
  finishSearch,
  readCapabilities,
  readResource,
  testSource,
  writeIdFile,
} from "#ingestion";
import { FetchedState } from "../support/fetched-state.js";
import { type RealServer, realServerSkip, startRealServer } from "../support/real-server.js";

const TYPES = ["Observation", "Patient"];
const skip = realServerSkip();

describe.skipIf(skip !== undefined)(
  `search and history against HAPI${skip === undefined ? "" : ` (skipped: ${skip})`}`,
  () => {
    let server: RealServer;
    let http: FhirHttp;
    let workDir: string;
    let since: Readonly<Record<string, string>> = {};
    const state = new FetchedState();

    beforeAll(async () => {
      server = await startRealServer();
      http = createFhirHttp({ baseUrl: server.url, auth: { kind: "none" } });
      workDir = mkdtempSync(path.join(tmpdir(), "real-search-"));
    }, 360_000);
    afterAll(async () => {
      await http?.close();
      await server?.close();
      rmSync(workDir, { recursive: true, force: true });
    });

    const patient = (id: string, family: string) => ({ resourceType: "Patient", id, name: [{ family }] });
    const observation = (id: string, value: string) =>
      `{"resourceType":"Observation","id":"${id}","status":"final","code":{"text":"x"},"valueQuantity":{"value":${value}}}`;

    async function write(entries: readonly { method: string; url: string; text?: string }[]): Promise<void> {
      for (let at = 0; at < entries.length; at += 100) {
        const parts = entries.slice(at, at + 100).map(({ method, url, text }) => {
          const resource = text === undefined ? "" : `"resource":${text},`;
          return `{${resource}"request":{"method":"${method}","url":"${url}"}}`;
        });
        const body = `{"resourceType":"Bundle","type":"transaction","entry":[${parts.join(",")}]}`;
        await http.json("POST", "", { body, headers: { "content-type": "application/fhir+json" } });
      }
    }

    const put = (text: string) => {
      const { resourceType, id } = JSON.parse(text) as { resourceType: string; id: string };
      return { method: "PUT", url: `${resourceType}/${id}`, text };
    };

    async function bring(): Promise<FetchedBatch> {
      // Windows end with a whole second of the server.
      await new Promise((resolve) => setTimeout(resolve, 1100));
      const batch = await fetchBySearch({
        http,
        workDir,
        types: TYPES,
        since,
        history: true,
        pageSize: 50,
        windowSize: 100,
        overlapMs: 2000,
      });
      expect(batch.incompleteTypes).toEqual([]);
      await state.land(batch);
      since = { ...since, ...batch.watermarks };
      await finishSearch(workDir);
      return batch;
    }

    /** Compares with every resource as the server gives it when it is read. */
    async function expectEqual(): Promise<void> {
      const file = path.join(workDir, "ids.txt");
      const listed = new Set<string>();
      await writeIdFile({ http, types: TYPES, path: file });
      for (const line of readFileSync(file, "utf8").split("\n")) if (line !== "") listed.add(line);
      rmSync(file);
      expect([...state.live.keys()].sort()).toEqual([...listed].sort());
      for (const [key, text] of state.live) {
        const [type, id] = key.split("/") as [string, string];
        const found = await readResource({ http, type, id });
        expect(found.kind).toBe("live");
        if (found.kind === "live") expect(compareContent(text, found.text).same).toBe(true);
      }
    }

    it("tells what it can do", async () => {
      await write([put(JSON.stringify(patient("p0", "First"))), put(observation("o0", "1.10"))]);
      const capabilities = await readCapabilities({ http, types: TYPES });
      expect(capabilities).toMatchObject({
        fhirVersion: expect.stringMatching(/^4\.0/) as string,
        types: [
          { type: "Observation", search: true, lastUpdated: "honoured", history: true },
          { type: "Patient", search: true, lastUpdated: "honoured", history: true },
        ],
      });
      const { usable, findings } = await testSource({ http, types: TYPES });
      expect(usable).toBe(true);
      expect(findings.filter(({ result }) => result === "failed")).toEqual([]);
    }, 120_000);

    it("is brought over whole, decimals as they were written", async () => {
      const patients = Array.from({ length: 260 }, (_, i) =>
        put(JSON.stringify(patient(`p${i}`, `Family ${i}`))),
      );
      const observations = Array.from({ length: 260 }, (_, i) => put(observation(`o${i}`, `${i}.50`)));
      await write([...patients, ...observations]);
      const batch = await bring();
      expect(state.live.size).toBe(520);
      expect(batch.files.length).toBeGreaterThan(1);
      expect(state.live.get("Observation/o7")).toContain("7.50");
      await expectEqual();
    }, 240_000);

    it("is followed by updates, deletes and what comes back", async () => {
      await write([
        ...Array.from({ length: 30 }, (_, i) => put(JSON.stringify(patient(`p${i}`, `Changed ${i}`)))),
        ...Array.from({ length: 20 }, (_, i) => put(observation(`new${i}`, "0.10"))),
        ...Array.from({ length: 25 }, (_, i) => ({ method: "DELETE", url: `Observation/o${i}` })),
      ]);
      const batch = await bring();
      expect(batch.deletesListed).toBe(true);
      expect(state.live.size).toBe(515);
      await expectEqual();
      await write([put(observation("o3", "3.0"))]);
      await bring();
      expect(state.live.size).toBe(516);
      await expectEqual();
      expect(await readResource({ http, type: "Observation", id: "o4" })).toMatchObject({ kind: "gone" });
    }, 240_000);
  },
);
