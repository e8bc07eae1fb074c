import { describe, expect, it, onTestFinished } from "vitest";
import { type FhirServer, startFhirServer } from "../../test/support/fhir-server/index.js";
import { createFhirHttp, type FhirHttp } from "../http/index.js";
import { type PolledChange, pollType } from "./poll.js";

async function patients(count: number): Promise<{ server: FhirServer; http: FhirHttp }> {
  const server = await startFhirServer();
  const http = createFhirHttp({ baseUrl: server.url, auth: { kind: "none" }, maxAttempts: 1 });
  onTestFinished(async () => {
    await http.close();
    await server.close();
  });
  for (let n = 1; n <= count; n++)
    server.store.put("Patient", `p${n}`, `{"resourceType":"Patient","id":"p${n}"}`);
  return { server, http };
}

describe.each([
  ["by its history", true],
  ["by searching", false],
])("a type that is polled %s", (_, history) => {
  const request = (http: FhirHttp) => ({ http, type: "Patient", sinceMs: 0, pageSize: 2, history });

  it("is handed out page by page, and the next page is asked for once the one before was taken", async () => {
    const { server, http } = await patients(7);
    const ids = new Set<string>();
    let largest = 0;
    const end = await pollType(request(http), async (changes) => {
      const asked = server.requests.all.length;
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(server.requests.all.length).toBe(asked);
      largest = Math.max(largest, changes.length);
      for (const { id } of changes) ids.add(id);
    });
    expect(ids.size).toBe(7);
    expect(largest).toBe(2);
    expect(end).toEqual({ serverMs: expect.any(Number) as number, isOffered: true, isComplete: true });
  });

  it("is told as lacking when the server says so, and by name where it is not shown whole", async () => {
    const { server, http } = await patients(3);
    const taken: PolledChange[] = [];
    const poll = () => pollType(request(http), async (changes) => void taken.push(...changes));
    const part = '{"resourceType":"Patient","id":"p1","meta":{"tag":[{"code":"SUBSETTED"}]}}';
    server.store.put("Patient", "p1", part);
    const outcome = '{"resource":{"resourceType":"OperationOutcome","issue":[{"severity":"error"}]}}';
    expect((await poll()).isComplete).toBe(true);
    const told = new Set(taken.map(({ id, kind }) => `${id} ${kind}`));
    // A history also tells the version before.
    expect([...told].filter((one) => one !== "p1 update").sort()).toEqual([
      "p1 named",
      "p2 update",
      "p3 update",
    ]);
    const lacking = { search: '"entry":[', replacement: `"entry":[${outcome},` };
    server.faults.add({ match: { pattern: "Patient" }, fault: { kind: "replace-text", ...lacking } });
    expect((await poll()).isComplete).toBe(false);
  });

  it("is asked nothing more when a page could not be taken", async () => {
    const { server, http } = await patients(7);
    const taken: PolledChange[] = [];
    const polling = pollType(request(http), async (changes) => {
      if (taken.length > 0) throw new Error("full");
      taken.push(...changes);
    });
    await expect(polling).rejects.toThrow("full");
    expect(taken).toHaveLength(2);
    expect(server.requests.all.length).toBe(2);
  });
});

describe("a history that is not answered for", () => {
  it.each([400, 403, 404])("is told as not offered, not as without changes (%i)", async (status) => {
    const { server, http } = await patients(1);
    server.faults.add({ match: { pattern: "_history" }, fault: { kind: "status", status } });
    const taken: PolledChange[] = [];
    const end = await pollType(
      { http, type: "Patient", sinceMs: 0, pageSize: 2, history: true },
      async (changes) => void taken.push(...changes),
    );
    expect(end.isOffered).toBe(false);
    expect(taken).toEqual([]);
  });
});
