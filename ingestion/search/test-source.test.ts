import { generateKeyPairSync } from "node:crypto";
import type { JWK } from "jose";
import { afterEach, describe, expect, it } from "vitest";
import {
  type FhirServer,
  type FhirServerOptions,
  startFhirServer,
} from "../../test/support/fhir-server/index.js";
import { createFhirHttp, type FhirHttp } from "../http/index.js";
import { readCapabilities } from "./capabilities.js";
import type { SourceCheck, SourceFinding } from "./source-finding.js";
import { testSource } from "./test-source.js";

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

async function start(options: FhirServerOptions = {}): Promise<{ server: FhirServer; http: FhirHttp }> {
  const server = await startFhirServer(options);
  const http = createFhirHttp({ baseUrl: server.url, auth: { kind: "none" } });
  open.push(server, http);
  for (let i = 0; i < 12; i++) {
    const text = `{"resourceType":"Patient","id":"p${i}","active":true,"name":[{"family":"Long enough a name to tell"}]}`;
    server.store.put("Patient", `p${i}`, text);
  }
  return { server, http };
}

async function secured(): Promise<{ server: FhirServer; http: FhirHttp }> {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-384" });
  const jwks = { keys: [{ ...publicKey.export({ format: "jwk" }), kid: "k", alg: "ES384" } as JWK] };
  const { server } = await start({ auth: { smart: { clients: [{ clientId: "lake", jwks }] } } });
  const http = createFhirHttp({
    baseUrl: server.url,
    auth: {
      kind: "smart-backend",
      clientId: "lake",
      privateKey: privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
      keyId: "k",
      algorithm: "ES384",
    },
  });
  open.push(http);
  return { server, http };
}

const types = ["Patient"];

function of(findings: readonly SourceFinding[], check: SourceCheck): SourceFinding[] {
  return findings.filter((finding) => finding.check === check);
}

describe("capabilities", () => {
  it("choose bulk export where it is offered", async () => {
    const { http } = await start();
    const found = await readCapabilities({ http, types });
    expect(found).toMatchObject({
      client: "bulk",
      fhirVersion: "4.0.1",
      bulkExport: { system: true, patient: true, group: true },
      types: [{ type: "Patient", search: true, lastUpdated: "honoured", history: true }],
    });
  });

  it("choose search with histories, and search alone where there are none", async () => {
    const levels = { export: { levels: [] } };
    const withHistory = await start({ changes: levels });
    expect((await readCapabilities({ http: withHistory.http, types })).client).toBe("search+history");
    const system = await start({ changes: { ...levels, history: ["system"] } });
    expect(await readCapabilities({ http: system.http, types })).toMatchObject({
      client: "search+history",
      systemHistory: true,
    });
    const without = await start({ changes: { ...levels, history: [] } });
    expect((await readCapabilities({ http: without.http, types })).client).toBe("search");
  });

  it("find out where the statement is wrong", async () => {
    const { http } = await start({
      faults: [{ match: { pattern: "/Patient/_history" }, fault: { kind: "status", status: 405 } }],
    });
    const found = await readCapabilities({ http, types });
    expect(found.types[0]?.history).toBe(false);
    expect(found.reasons.join(" ")).toContain("promises a history");
  });

  it("do without a statement", async () => {
    const { http } = await start({
      faults: [{ match: { path: "/fhir/metadata" }, fault: { kind: "status", status: 404 } }],
    });
    expect(await readCapabilities({ http, types })).toMatchObject({
      fhirVersion: undefined,
      client: "search+history",
      types: [{ search: true }],
    });
  });

  it("read where tokens come from", async () => {
    const open = await start();
    expect((await readCapabilities({ http: open.http, types })).smart).toBeUndefined();
    const { http, server } = await secured();
    const { smart } = await readCapabilities({ http, types });
    expect(smart).toMatchObject({ tokenUrl: server.tokenUrl });
    expect(smart!.signingAlgorithms).toContain("ES384");
  });
});

describe("testing a source", () => {
  it("finds nothing to say against a complete one", async () => {
    const { server, http } = await start();
    const { usable, findings } = await testSource({ http, types, exportLevel: { kind: "system" } });
    expect(usable).toBe(true);
    expect(findings.filter(({ result }) => result !== "ok")).toEqual([]);
    expect(new Set(findings.map(({ check }) => check))).toEqual(
      new Set([
        "connection",
        "version",
        "auth",
        "type",
        "since",
        "meta",
        "deletes",
        "export",
        "ids",
        "clock",
        "client",
      ]),
    );
    expect(server.requests.all.some(({ method }) => method === "DELETE")).toBe(true);
  });

  it("says what a source that tells little cannot guarantee", async () => {
    const { http } = await start({ profile: "no-since" });
    const { usable, findings } = await testSource({ http, types, exportLevel: { kind: "system" } });
    expect(usable).toBe(true);
    expect(of(findings, "since")).toMatchObject([
      { result: "warning", guarantee: expect.stringContaining("whole type") as string },
    ]);
    expect(of(findings, "meta")).toMatchObject([{ result: "warning" }]);
    expect(of(findings, "export")).toMatchObject([{ result: "failed" }]);
    expect(of(findings, "deletes")).toMatchObject([
      { result: "unknown", guarantee: expect.stringContaining("deletesVerified") as string },
    ]);
  });

  it("says that versions cannot be ordered by numbers that are missing", async () => {
    const { http } = await start({ profile: "no-since" });
    const { findings } = await testSource({ http, types, policy: "version" });
    expect(of(findings, "meta").some(({ result }) => result === "failed")).toBe(true);
  });

  it("signs in where the source demands it, and names credentials that it does not know", async () => {
    const { http, server } = await secured();
    expect(await testSource({ http, types })).toMatchObject({ usable: true });
    const stranger = createFhirHttp({ baseUrl: server.url, auth: { kind: "bearer", token: "wrong" } });
    open.push(stranger);
    const { usable, findings } = await testSource({ http: stranger, types });
    expect(usable).toBe(false);
    expect(of(findings, "auth")).toMatchObject([{ result: "failed" }]);
  });

  it("names credentials that do not open it", async () => {
    const { http } = await start({ faults: [{ match: {}, fault: { kind: "status", status: 401 } }] });
    const { usable, findings } = await testSource({ http, types });
    expect(usable).toBe(false);
    expect(findings).toMatchObject([{ check: "auth", result: "failed" }]);
  });

  it("names types that they do not open", async () => {
    const { http } = await start({
      faults: [{ match: { pattern: "/Observation" }, fault: { kind: "status", status: 403 } }],
    });
    const { usable, findings } = await testSource({ http, types: ["Patient", "Observation"] });
    expect(usable).toBe(true);
    expect(of(findings, "type")).toMatchObject([
      { type: "Patient", result: "ok" },
      { type: "Observation", result: "failed" },
    ]);
  });

  it("does not fail for want of a server", async () => {
    const http = createFhirHttp({
      baseUrl: "http://127.0.0.1:9/fhir",
      auth: { kind: "none" },
      maxAttempts: 1,
    });
    open.push(http);
    expect(await testSource({ http, types })).toMatchObject({
      usable: false,
      findings: [{ check: "connection", result: "failed" }],
    });
  });
});
