import { afterEach, expect } from "vitest";
import { type FhirServer, type FhirServerOptions, startFhirServer } from "./index.js";

const servers: FhirServer[] = [];

/** Starts a server that is closed after the test. */
export async function startForTest(options: FhirServerOptions = {}): Promise<FhirServer> {
  const server = await startFhirServer(options);
  servers.push(server);
  return server;
}

/** Closes the servers of each test; called once per test file. */
export function closeAfterEach(): void {
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.close()));
  });
}

/** A manifest as clients read it. */
export interface ManifestJson {
  transactionTime: string;
  request?: string;
  requiresAccessToken: boolean;
  output: { type: string; url: string; count?: number }[];
  deleted?: { type: string; url: string; count?: number }[];
  error?: { type: string; url: string; count?: number }[];
  link?: { relation: string; url: string }[];
}

/** The headers that a kick-off needs. */
export const KICK_OFF = { accept: "application/fhir+json", prefer: "respond-async" };

/** Kicks an export off; returns the polling URL. */
export async function kickOff(url: string, headers: Record<string, string> = {}): Promise<string> {
  const response = await fetch(url, { headers: { ...KICK_OFF, ...headers } });
  expect(response.status).toBe(202);
  return response.headers.get("content-location") ?? "";
}

/** Exports and polls until the manifest comes. */
export async function exportManifest(
  url: string,
  headers: Record<string, string> = {},
): Promise<{ readonly manifest: ManifestJson; readonly poll: string }> {
  const poll = await kickOff(url, headers);
  for (;;) {
    const response = await fetch(poll, { headers });
    if (response.status === 200) return { manifest: (await response.json()) as ManifestJson, poll };
    expect(response.status).toBe(202);
  }
}

/** The lines of all files of a list, parsed. */
export async function linesOf(
  files: readonly { url: string }[],
  headers: Record<string, string> = {},
): Promise<(Record<string, unknown> & { id: string })[]> {
  const texts = await Promise.all(files.map(async ({ url }) => (await fetch(url, { headers })).text()));
  return texts
    .flatMap((text) => text.split("\n").filter(Boolean))
    .map((line) => JSON.parse(line) as Record<string, unknown> & { id: string });
}

/** Puts patients with a condition each, and a group of all of them. */
export function fillWithPatients(server: FhirServer, count: number): void {
  for (let i = 0; i < count; i++) {
    server.store.put("Patient", `p${i}`, `{"resourceType":"Patient","id":"p${i}","gender":"female"}`);
    server.store.put(
      "Condition",
      `c${i}`,
      `{"resourceType":"Condition","id":"c${i}","subject":{"reference":"Patient/p${i}"},"code":{"coding":[{"code":"${i % 2}"}]}}`,
    );
  }
  server.store.put("Organization", "org", '{"resourceType":"Organization","id":"org"}');
  const member = Array.from({ length: count }, (_, i) => ({ entity: { reference: `Patient/p${i}` } }));
  server.store.put("Group", "all", JSON.stringify({ resourceType: "Group", id: "all", member }));
}
