import { readFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";
import {
  createFhirHttp,
  type ExportOptions,
  type FetchedBatch,
  type FhirHttp,
  type HttpSettings,
} from "#ingestion";
import { type FhirServer, type FhirServerOptions, startFhirServer } from "./fhir-server/index.js";
import { VirtualClock } from "./virtual-clock.js";

/** The types that {@link fill} writes. */
export const TYPES = ["Patient", "Observation", "Encounter"] as const;

/** Twelve patients in a group, with observations and encounters. */
export function fill(server: FhirServer): void {
  const patients = Array.from({ length: 12 }, (_, n) => `p${n}`);
  for (const id of patients) server.store.put("Patient", id, JSON.stringify({ resourceType: "Patient", id }));
  for (let n = 0; n < 35; n++) {
    const subject = `{"reference":"Patient/p${n % 12}"}`;
    const contained = n % 5 === 0 ? '"contained":[{"resourceType":"Device","id":"d"}],' : "";
    server.store.put(
      "Observation",
      `o${n}`,
      `{"resourceType":"Observation","id":"o${n}",${contained}"subject":${subject},"valueQuantity":{"value":${n}.10}}`,
    );
  }
  for (let n = 0; n < 8; n++) {
    const encounter = { resourceType: "Encounter", id: `e${n}`, subject: { reference: `Patient/p${n}` } };
    server.store.put("Encounter", `e${n}`, JSON.stringify(encounter));
  }
  const member = patients.map((id) => ({ entity: { reference: `Patient/${id}` } }));
  server.store.put("Group", "g", JSON.stringify({ resourceType: "Group", id: "g", member }));
}

/** A filled server that ends with the test; its clock is the client's. Ten rows per file unless told otherwise. */
export async function filledServer(
  options: FhirServerOptions = {},
): Promise<{ readonly server: FhirServer; readonly clock: VirtualClock }> {
  const clock = new VirtualClock();
  const server = await startFhirServer({
    now: () => clock.now().getTime(),
    ...options,
    changes: { ...options.changes, export: { rowsPerFile: 10, ...options.changes?.export } },
  });
  onTestFinished(() => server.close());
  fill(server);
  return { server, clock };
}

/** A client for a test server that ends with the test. */
export function clientOf(url: string, settings: Partial<HttpSettings> = {}): FhirHttp {
  const http = createFhirHttp({ baseUrl: url, auth: { kind: "none" }, random: () => 0, ...settings });
  onTestFinished(() => http.close());
  return http;
}

/** An empty folder. */
export const workFolder = (): Promise<string> => mkdtemp(path.join(tmpdir(), "fhir-lake-export-"));

/** The lines of all resource files of a batch, sorted. */
export function linesOf(batch: FetchedBatch, kind: "resources" | "changes" = "resources"): string[] {
  return batch.files
    .filter((file) => file.kind === kind)
    .flatMap((file) => readFileSync(file.path, "utf8").split("\n"))
    .filter((line) => line !== "")
    .sort();
}

/** The texts of all live resources of the types, sorted. */
export function liveOn(server: FhirServer, types: readonly string[] = TYPES): string[] {
  return types
    .flatMap((type) => [...server.store.live(type)].map((version) => version.text!.read().toString()))
    .sort();
}

/** A filled server and a system export of it, ready to be called. */
export interface ExportWorld {
  readonly server: FhirServer;
  readonly clock: VirtualClock;
  readonly call: ExportOptions;
}

/** Makes an {@link ExportWorld}. */
export async function exportWorld(options: FhirServerOptions = {}): Promise<ExportWorld> {
  const { server, clock } = await filledServer(options);
  const http = clientOf(server.url, { clock });
  return {
    server,
    clock,
    call: { http, workDir: await workFolder(), level: { kind: "system" }, types: TYPES },
  };
}
