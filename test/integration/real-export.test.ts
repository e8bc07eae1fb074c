import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  compareContent,
  createFhirHttp,
  type ExportOptions,
  exportBulk,
  type FetchedBatch,
  type FhirHttp,
  finishExport,
  type RequestEvent,
  readResource,
} from "#ingestion";
import { linesOf, workFolder } from "../support/export-fixture.js";
import { type RealServer, realServerSkip, startRealServer } from "../support/real-server.js";

const TYPES = ["Observation", "Patient"];
const skip = realServerSkip();

interface Identified {
  readonly resourceType: string;
  readonly id: string;
}

describe.skipIf(skip !== undefined)(
  `bulk export from HAPI${skip === undefined ? "" : ` (skipped: ${skip})`}`,
  () => {
    let server: RealServer;
    let http: FhirHttp;
    let workDir: string;
    const requests: RequestEvent[] = [];

    beforeAll(async () => {
      server = await startRealServer();
      http = createFhirHttp({
        baseUrl: server.url,
        auth: { kind: "none" },
        onRequest: (event) => requests.push(event),
      });
      workDir = await workFolder();
      await write(
        Array.from({ length: 120 }, (_, n) => [
          `{"resourceType":"Patient","id":"p${n}","name":[{"family":"Family ${n}"}]}`,
          `{"resourceType":"Observation","id":"o${n}","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p${n}"},"valueQuantity":{"value":${n}.10}}`,
        ]).flat(),
      );
      const member = Array.from({ length: 40 }, (_, n) => ({ entity: { reference: `Patient/p${n}` } }));
      await write([JSON.stringify({ resourceType: "Group", id: "g", type: "person", actual: true, member })]);
    }, 400_000);
    afterAll(async () => {
      await http?.close();
      await server?.close();
    });

    async function write(texts: readonly string[]): Promise<void> {
      const entries = texts.map((text) => {
        const { resourceType, id } = JSON.parse(text) as Identified;
        return `{"resource":${text},"request":{"method":"PUT","url":"${resourceType}/${id}"}}`;
      });
      const body = `{"resourceType":"Bundle","type":"transaction","entry":[${entries.join(",")}]}`;
      await http.json("POST", "", { body, headers: { "content-type": "application/fhir+json" } });
    }

    function bring(changes: Partial<ExportOptions> = {}): Promise<FetchedBatch> {
      // HAPI asks for two minutes between polls, however small the job.
      return exportBulk({
        http,
        workDir,
        level: { kind: "system" },
        types: TYPES,
        maxWaitMs: 3000,
        ...changes,
      });
    }

    /** Compares every line with the resource as the server gives it when it is read. */
    async function expectEqual(batch: FetchedBatch, keys: readonly string[]): Promise<void> {
      const lines = linesOf(batch);
      const key = (line: string): string => {
        const { resourceType, id } = JSON.parse(line) as Identified;
        return `${resourceType}/${id}`;
      };
      expect(lines.map(key).sort()).toEqual([...keys].sort());
      for (const line of lines) {
        const [type, id] = key(line).split("/") as [string, string];
        const found = await readResource({ http, type, id });
        expect(found.kind === "live" && compareContent(line, found.text).same, `${type}/${id}`).toBe(true);
      }
    }

    const ids = (count: number): string[] =>
      Array.from({ length: count }, (_, n) => [`Patient/p${n}`, `Observation/o${n}`]).flat();

    it("brings all resources, and only what changed since the server's time", async () => {
      const batch = await bring();
      await expectEqual(batch, ids(120));
      expect(linesOf(batch).some((line) => line.includes('"value":7.10'))).toBe(true);
      expect((await bring()).statistics.resumedFiles).toBe(batch.files.length);
      await finishExport({ http, workDir });
      expect(readdirSync(workDir)).toEqual([]);
      await write(['{"resourceType":"Patient","id":"p3","name":[{"family":"Changed"}]}']);
      await http.json("DELETE", "Observation/o5");
      const night = await bring({ since: batch.transactionTime });
      await expectEqual(night, ["Patient/p3"]);
      expect(night.deletesListed).toBe(false);
      await finishExport({ http, workDir });
    }, 400_000);

    it("brings a group, by POST, stopped and resumed without fetching a file again", async () => {
      const call = { level: { kind: "group", id: "g" }, kickoff: "POST", types: ["Patient"] } as const;
      const stop = (label: string): void => {
        if (label === "file.recorded") throw new Error("stop");
      };
      await expect(bring({ ...call, checkpoint: stop })).rejects.toThrow("stop");
      const before = requests.length;
      const batch = await bring(call);
      expect(batch.statistics.resumedFiles).toBeGreaterThan(0);
      expect(requests.slice(before).filter(({ target }) => target.startsWith("Binary")).length).toBe(
        batch.files.length - batch.statistics.resumedFiles,
      );
      await expectEqual(
        batch,
        Array.from({ length: 40 }, (_, n) => `Patient/p${n}`),
      );
      await finishExport({ http, workDir });
    }, 400_000);
  },
);
