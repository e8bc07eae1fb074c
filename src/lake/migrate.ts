import { LakeError } from "#kernel";

/** A snapshot manifest as JSON, of whatever format. */
export type Manifest = Readonly<Record<string, unknown>>;

/** One step from a manifest format to the next. */
export interface Migration {
  readonly from: number;
  readonly to: number;
  /** What is different, for `fhir-lake migrate`. */
  readonly change: string;
  /** The manifest in the newer format: pure, and total over every manifest of the older one. */
  readonly upgrade: (manifest: Manifest) => Manifest;
}

/**
 * Every step since the first release, oldest first. Readers apply them when they open a manifest, so that no file of an old lake is ever
 * rewritten; writers commit in the newest format only. A new format gets its number in `snapshot.ts`, its step here, and a lake of the last
 * release in `test/fixtures/lakes`.
 */
export const MIGRATIONS: readonly Migration[] = [];

/**
 * A manifest in the format `current`. `formatVersion` stays what was stored. Errors: `lake/newer-format` when a later fhir-lake wrote it,
 * `lake/unknown-format` when no step leads here.
 */
export function upgraded(
  manifest: Manifest,
  key: string,
  current: number,
  migrations: readonly Migration[] = MIGRATIONS,
): Manifest {
  const stored = manifest["formatVersion"];
  let format = typeof stored === "number" ? stored : 0;
  if (format > current) {
    throw new LakeError(
      "unsupported",
      "lake/newer-format",
      `This lake was written by a newer fhir-lake (format ${format}, this program reads up to ${current}); upgrade fhir-lake.`,
      { details: { key, formatVersion: format } },
    );
  }
  let content = manifest;
  while (format < current) {
    const step = migrations.find(({ from }) => from === format);
    if (step === undefined) {
      throw new LakeError(
        "unsupported",
        "lake/unknown-format",
        `The snapshot file '${key}' has format ${format}, from which no way leads to format ${current}; open the lake with the release that wrote it.`,
        { details: { key, formatVersion: format } },
      );
    }
    content = step.upgrade(content);
    format = step.to;
  }
  return { ...content, formatVersion: stored };
}
