import { createHash } from "node:crypto";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { loadDefinitions, rootNode } from "#fhir";
import {
  instantNs,
  type LandingManifest,
  LandingWriter,
  orderKey,
  resourceKey,
  writeManifest,
} from "#landing";

/** A version of a resource to be landed: its JSON, or a delete. */
export type Version =
  | { readonly resource: Record<string, unknown> }
  | { readonly deleted: string; readonly at: string };

let sequence = 0;

function observedPaths(type: string, resource: unknown): string[] {
  const found: string[] = [];
  const walk = (node: ReturnType<typeof rootNode>, value: unknown): void => {
    if (Array.isArray(value)) {
      for (const item of value) walk(node, item);
    } else if (node.json || value === null || typeof value !== "object") {
      if (value !== null) found.push(node.path);
    } else {
      for (const [name, inner] of Object.entries(value)) {
        const child = node.child(name);
        if (child !== undefined) walk(child, inner);
      }
    }
  };
  walk(rootNode(loadDefinitions("4.0.1"), type), resource);
  return found;
}

/** Lands versions as ingestion would, without its scanner: for tests of what happens after the landing. */
export async function land(
  versions: readonly Version[],
  options: { source?: string; acceptedAt?: string } = {},
): Promise<{ landingDir: string; manifest: LandingManifest }> {
  const source = options.source ?? "test";
  const acceptedAt = options.acceptedAt ?? "2026-01-01T00:00:00.000Z";
  const landingDir = await mkdtemp(path.join(tmpdir(), "fhir-lake-landing-"));
  const writer = new LandingWriter({ landingDir, targetFileBytes: 1 << 20 });
  const observed: Record<string, string[]> = {};
  sequence++;
  for (const [position, version] of versions.entries()) {
    const isDelete = "deleted" in version;
    const resource = isDelete ? {} : version.resource;
    const [type, id] = isDelete
      ? (version.deleted.split("/") as [string, string])
      : [resource["resourceType"] as string, resource["id"] as string];
    const meta = (resource["meta"] ?? {}) as { versionId?: string; lastUpdated?: string };
    const at = isDelete ? version.at : (meta.lastUpdated ?? "");
    const raw = Buffer.from(isDelete ? "" : JSON.stringify(resource));
    const order = orderKey({
      policy: "time",
      lastUpdatedNs: at === "" ? undefined : instantNs(at),
      versionId: meta.versionId,
      fallbackTimeMs: Date.parse(acceptedAt),
      deleted: isDelete,
      sequence,
      position,
      rawHash: createHash("sha256").update(raw).digest("hex"),
    });
    const header = {
      key: resourceKey(source, type, id),
      kind: isDelete ? ("D" as const) : ("U" as const),
      id,
      version: meta.versionId ?? "",
      lastUpdated: at,
      order,
    };
    writer.append(type, header, raw, 0, raw.length);
    observed[type] = [...new Set([...(observed[type] ?? []), ...observedPaths(type, resource)])].sort();
  }
  const files = writer.finish();
  const manifest: LandingManifest = {
    version: 1,
    sequence,
    source,
    policy: "time",
    acceptedAt,
    fhirVersion: "4.0.1",
    files,
    observed,
    unknownElements: {},
    counts: {
      lines: versions.length,
      blank: 0,
      quarantined: 0,
      accepted: versions.length,
      unpacked: 0,
      entries: 0,
      skipped: 0,
    },
    inputs: [],
    problems: [],
  };
  await writeManifest(landingDir, manifest);
  return { landingDir, manifest };
}
