import path from "node:path";
import { addVersions, FileWriter, type Lake, liveResources, type Snapshot, withLayer } from "#lake";
import { land, type Version } from "./landing.js";

/** A version of some minute of the first day of 2026. */
export const version = (resourceType: string, id: string, minute: number, more: object = {}): Version => ({
  resource: {
    resourceType,
    id,
    meta: { lastUpdated: new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString() },
    ...more,
  },
});

/** A Patient version of some minute of that day. */
export const patient = (id: string, minute: number, gender = "female"): Version =>
  version("Patient", id, minute, { gender });

/** Commits versions of one type as a landing would, without views. */
export async function ingest(
  lake: Lake,
  versions: readonly Version[],
  type = "Patient",
): Promise<Snapshot | undefined> {
  const { landingDir, manifest } = await land(versions);
  return FileWriter.during(lake, (writer) =>
    writer.commit(async (head) => {
      const files = manifest.files.map((f) => ({ ...f, path: path.join(landingDir, f.path) }));
      const landed = {
        type,
        source: "test",
        acceptedAtMs: 0,
        observed: manifest.observed[type] ?? [],
        files,
      };
      const added = await lake.database.with((connection) =>
        addVersions(lake, connection, writer, landed, head, undefined),
      );
      if (added.layer === undefined) return undefined;
      const counts = {
        lines: versions.length,
        entries: 0,
        unpacked: 0,
        skipped: 0,
        blank: 0,
        quarantined: 0,
        ...added.classification,
      };
      return {
        operation: { kind: "ingest", source: "test", landing: manifest.sequence, counts, types: {} },
        landing: manifest.sequence,
        sources: { test: { policy: "time" } },
        tables: { [type]: withLayer(head?.tables[type], added) },
      };
    }),
  );
}

/** Ids and genders of the live patients of a snapshot, the newest by default. */
export async function patients(lake: Lake, id?: number): Promise<{ id: string; gender: string }[]> {
  const snapshot = id === undefined ? await lake.head() : await lake.history.at(id);
  const { relation } = await liveResources(lake, "Patient", snapshot.tables["Patient"]!);
  return lake.database.with((c) => c.rows(`SELECT id, gender FROM ${relation} ORDER BY id`));
}
